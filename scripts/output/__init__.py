"""What a command shows: progress, tables, pictures, videos."""
