"""The report in a real browser: it draws, answers to pointer and keys, and fits a phone."""

import itertools
import json

import pytest
from browser import CHROMEDRIVER, CHROMIUM, Browser
from synthetic_runs import write_comparison, write_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or CHROMEDRIVER is None,
        reason="needs chromium and chromedriver (apt: chromium-driver)",
    ),
]
# Of the text of an element, and of the page.
COLOURS_OF = """
    const text = getComputedStyle(document.querySelector(arguments[0])).color;
    return [text, getComputedStyle(document.body).backgroundColor];"""
LEFT, RIGHT, SPACE = "\ue012", "\ue014", " "


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    """A report of three cores on two tasks, with a skipped run and a core of one seed."""
    folder = tmp_path_factory.mktemp("report")
    write_comparison(folder / "runs")
    write_run(folder / "runs", "s5", seed=0)
    (write_run(folder / "runs", seed=9, name="broken") / "metrics.jsonl").unlink()
    # A name that would end a script, or begin an element, if it were not escaped.
    odd = write_run(folder / "runs", seed=8, name="<b>&</script>")
    (odd / "versions.json").unlink()
    result = run(
        "plot", f"runs={folder / 'runs'}", f"output={folder / 'out'}", "resamples=200", "figures=false"
    )
    assert result.code == 0, result.err
    return folder / "out" / "index.html"


@pytest.fixture
def browser(page, tmp_path):
    opened = Browser(tmp_path / "profile")
    opened.open(page)
    yield opened
    messages = opened.messages()
    opened.close()
    assert not messages


def curves(browser):
    """The groups whose curves are drawn in the first chart."""
    script = "return [...document.querySelectorAll('#curves .curve')].map((line) => line.dataset.group)"
    return browser.run(script)


def text(browser, selector):
    return browser.run(f"return document.querySelector({json.dumps(selector)}).textContent")


def choose(browser, selector, value):
    script = """
        const found = document.querySelector(arguments[0]);
        found.value = arguments[1];
        found.dispatchEvent(new Event('change', {bubbles: true}));"""
    browser.run(script, selector, value)


def test_an_error_on_a_page_would_be_seen(tmp_path):
    (tmp_path / "wrong.html").write_text(
        "<!doctype html><link rel=icon href=data:,><script>nothing()</script>"
    )
    opened = Browser(tmp_path / "profile")
    opened.open(tmp_path / "wrong.html")
    messages = opened.messages()
    opened.close()
    assert len(messages) == 1 and "nothing is not defined" in messages[0]


def test_it_shows_what_there_is(browser):
    assert text(browser, "h1") == "Comparison of gru, s5, mlp"
    assert curves(browser) == ["gru", "mlp"]  # the first task, which s5 was not run on
    assert "21 runs of 3 groups on 2 tasks" in text(browser, "#summary")
    assert "s5 on popgym/repeat_previous_easy has one run" in text(browser, "#notes")
    skipped = text(browser, "#skipped")
    assert "broken: metrics.jsonl missing" in skipped and "<b>&</script>: versions.json missing" in skipped
    assert browser.run("return document.querySelectorAll('#runs tbody tr').length") == 21


def test_sizes_stand_beside_the_scores(browser):
    titles = browser.run(
        "return [...document.querySelectorAll('#table thead th')].map((cell) => cell.textContent)"
    )
    scores = ["MMER", "area under the curve", "final evaluation"]
    assert titles == ["group", "seeds", *scores, "parameters", "carry bytes"]
    cells = "return [...document.querySelectorAll('#table tbody tr:nth-child(2) td')].map((cell) => cell.textContent)"
    assert browser.run(cells)[0] == "5" and browser.run(cells)[-2:] == ["12,345", "512"]


def test_the_figure_comes_first_then_scores_then_notes(browser):
    order = """return ['curves', 'curves-text', 'table', 'table-text', 'notes', 'runs-summary', 'configurations']
        .map((id) => document.getElementById(id).getBoundingClientRect().top)"""
    tops = browser.run(order)
    assert tops == sorted(tops) and tops[0] < 500
    assert text(browser, "#summary").endswith("3 notes on what limits it.")
    browser.run("document.querySelector('#summary a').click()")
    assert -1 < browser.run("return document.getElementById('notes').getBoundingClientRect().top") < 50


def test_chance_and_the_control_are_in_every_curve(browser):
    for task, level in (
        ("popgym/autoencode_easy", "chance \u22120.503"),
        ("popgym/repeat_previous_easy", "chance \u22120.496"),
    ):
        choose(browser, "#task", task)
        assert text(browser, "#curves text.chance") == level
    heights = """
        const middle = (one) => { const b = one.getBoundingClientRect(); return b.top + b.height / 2; };
        const svg = document.querySelector('#curves > svg').getBoundingClientRect();
        return [svg.top, middle(document.querySelector('#curves line.chance')), svg.bottom];"""
    top, line, bottom = browser.run(heights)
    assert top < line < bottom
    stroke = "return getComputedStyle(document.querySelector('#curves .curve[data-group=mlp]')).stroke"
    assert browser.run(stroke) in ("rgb(102, 102, 102)", "rgb(168, 168, 168)")
    assert "Grey and dashed is mlp, the control without a memory." in text(browser, "#curves-text")


def test_a_wide_table_shows_that_it_scrolls(browser):
    """On a phone the shadow behind which there is more lies over the table's edge; the page itself does not scroll."""
    browser.resize(390)
    wide = "const box = document.querySelector('#table').parentElement; return [box.scrollWidth > box.clientWidth, "
    scrolls, image = browser.run(wide + "getComputedStyle(box).backgroundImage]")
    assert scrolls and image.count("linear-gradient") == 4
    assert browser.run("return document.documentElement.scrollWidth") <= 390


def test_texts_of_the_axes_do_not_touch(run, tmp_path):
    """With numbers beside the axis as long as they get, such as -0.475."""
    for seed, first in enumerate((-0.53, -0.51)):
        write_run(tmp_path / "runs", seed=seed, returns=(first, -0.46, -0.43, -0.38))
    out = tmp_path / "out"
    result = run("plot", f"runs={tmp_path / 'runs'}", f"output={out}", "resamples=100", "figures=false")
    assert result.code == 0, result.err
    texts = """
        return [...document.querySelectorAll('#curves > svg text')].map((text) => {
            const {left, right, top, bottom} = text.getBoundingClientRect();
            return [text.textContent, left, right, top, bottom];
        });"""
    opened = Browser(tmp_path / "profile")
    try:
        opened.open(out / "index.html")
        boxes = opened.run(texts)
    finally:
        opened.close()
    assert any(box[0].endswith("0.475") for box in boxes)
    for (one, *a), (other, *b) in itertools.combinations(boxes, 2):
        apart = a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]
        assert apart, (one, other)


def test_choosing_a_task_and_hiding_a_core(browser):
    choose(browser, "#task", "popgym/repeat_previous_easy")
    assert curves(browser) == ["gru", "s5", "mlp"]
    browser.run("document.querySelector('#curves button[data-group=mlp]').click()")
    assert curves(browser) == ["gru", "s5"]
    pressed = "return document.querySelector('#curves button[data-group=mlp]').getAttribute('aria-pressed')"
    assert browser.run(pressed) == "false"
    choose(browser, "#task", "popgym/autoencode_easy")
    assert curves(browser) == ["gru"]
    browser.run("document.querySelector('#curves button[data-group=mlp]').click()")
    assert curves(browser) == ["gru", "mlp"]


def test_switching_the_axis(browser):
    assert "4,000 environment steps" in text(browser, "#curves .place")
    browser.run("document.querySelector('input[value=wall_clock]').click()")
    assert "12.0 seconds" in text(browser, "#curves .place")
    assert "seconds of collecting and learning" in text(browser, "#curves svg")
    browser.run("document.querySelector('input[value=env_steps]').click()")
    assert "environment steps" in text(browser, "#curves svg")


def test_a_logarithmic_axis(browser):
    choose(browser, "#task", "popgym/autoencode_easy")
    marks = "return [...document.querySelectorAll('#curves svg text[text-anchor=middle]')].map((a) => a.textContent)"
    assert "0" in browser.run(marks)
    browser.run("document.querySelector('input[name=log]').click()")
    assert "1k" in browser.run(marks) and "0" not in browser.run(marks)
    box = browser.run(
        "const b = document.querySelector('#curves svg').getBoundingClientRect(); return [b.x, b.y, b.width, b.height]"
    )
    browser.hover(box[0] + box[2] / 2, box[1] + box[3] / 2)
    place = text(browser, "#curves .place")
    browser.run("document.querySelector('#curves > svg').focus()")
    browser.press(LEFT, RIGHT)
    assert text(browser, "#curves .place") == place
    browser.run("document.querySelector('input[name=log]').click()")
    assert "0" in browser.run(marks)


def test_reading_values_by_pointer_and_by_keys(browser):
    choose(browser, "#task", "popgym/autoencode_easy")
    value = "#curves button[data-group=gru] .value"
    assert text(browser, value).startswith("0.520 [")
    box = browser.run(
        "const b = document.querySelector('#curves svg').getBoundingClientRect(); return [b.x, b.y, b.width, b.height]"
    )
    browser.hover(box[0] + box[2] / 2, box[1] + box[3] / 2)
    assert float(text(browser, value)[:5]) < 0.35
    assert browser.run("return document.querySelectorAll('#curves > svg circle').length") == 2
    browser.run("document.querySelector('#curves > svg').focus()")
    before = text(browser, "#curves .place")
    browser.press(LEFT, LEFT)
    assert text(browser, "#curves .place") != before
    browser.press(RIGHT, RIGHT)
    assert text(browser, "#curves .place") == before


def test_a_core_can_be_hidden_with_the_keyboard_alone(browser):
    browser.run("document.querySelector('#curves button[data-group=gru]').focus()")
    browser.press(SPACE)
    assert curves(browser) == ["mlp"]
    assert browser.run("return document.activeElement.dataset.group") == "gru"


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_and_can_be_read(browser, width, dark):
    browser.resize(width, dark=dark)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    for selector in ("h1", ".lead", "td small", ".place"):
        assert contrast(*browser.run(COLOURS_OF, selector)) >= 4.5, selector
    unnamed = """return [...document.querySelectorAll('svg:not([aria-hidden]), select, button, input, [tabindex]')]
        .filter((one) => !(one.ariaLabel || one.getAttribute('aria-labelledby') || one.labels?.length
            || one.textContent.trim())).map((one) => one.outerHTML.slice(0, 80))"""
    assert browser.run(unnamed) == []


def contrast(one, other):
    """WCAG 2's ratio of luminances."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
