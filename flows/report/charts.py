"""Vega-Lite charts in the page's colours, which its style sheet defines for light and dark mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
HEIGHT_PX = 240
ROW_PX = 26
SERIES = [f"var(--series-{number})" for number in range(1, 9)]
MOST_POINTS = 30  # above this only the nearest point is drawn; without points, a line of one point would be invisible
MOST_SERIES = 8  # more colours cannot be distinguished
CONFIG = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "range": {"category": SERIES},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "titleFontWeight": 500,
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "labelLimit": 140,
        "labelOverlap": True,
    },
    "legend": {
        "symbolType": "stroke",
        "symbolStrokeWidth": 2,
        "labelColor": "var(--ink)",
        "titleColor": "var(--muted)",
        "labelFontSize": 11,
        "labelLimit": 160,
    },
    "line": {"strokeWidth": 2},
    "rule": {"color": "var(--muted)", "opacity": 0.6},
    "text": {"color": "var(--muted)"},
}


def draw_lines(
    rows: Iterable[Row],
    *,
    x: Mapping[str, Any],
    y: Mapping[str, Any],
    series: str,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a chart with a line for each value of `series`; `more` are further channels, `y` has 4 digits."""
    rows = list(rows)
    names = list(dict.fromkeys(row[series] for row in rows))
    colour: dict[str, Any] = {"field": series, "type": "nominal", "sort": names, "title": None}
    colour["legend"] = {"orient": "top", "columns": 2} if 1 < len(names) <= MOST_SERIES else None
    tips = [{"field": series, "title": series}, _make_tooltip(x), _make_tooltip(y)]
    tips += [{"field": channel["field"]} for channel in (more or {}).values() if channel["field"] != series]
    encoding = {"x": _quantify(x), "y": _quantify(y), "color": colour, **(more or {}), "tooltip": tips}
    lines = {"mark": {"type": "line"}, "encoding": encoding}
    near = {"name": "near", "select": {"type": "point", "on": "pointerover", "nearest": True, "clear": "pointerout"}}
    points = {
        "params": [near],
        "mark": {"type": "point", "filled": True, "size": 60},
        "encoding": encoding | {"opacity": {"condition": {"param": "near", "empty": False, "value": 1}, "value": 0}},
    }
    if len(rows) <= MOST_POINTS:
        points = {"mark": points["mark"], "encoding": encoding}
    return _chart(rows, layer=[lines, points])


def draw_bars(rows: Sequence[Row], *, name: str, value: str, tooltip: Sequence[str] = (), scale: Any = None) -> Any:
    """Return a chart with a horizontal bar for each row, in order from the top."""
    across = {"field": value, "type": "quantitative", "title": None, "scale": scale or {}, "axis": {"tickCount": 5}}
    down = {
        "field": name,
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"domain": False, "ticks": False, "labelPadding": 8},
    }
    tips = [{"field": field} for field in (name, value, *tooltip)]
    bar = {"type": "bar", "color": SERIES[0], "cornerRadiusEnd": 3, "height": {"band": 0.7}}
    return _chart(rows, mark=bar, encoding={"x": across, "y": down, "tooltip": tips}, height=ROW_PX * len(rows))


def draw_ranges(rows: Sequence[Row], *, name: str, title: str) -> Any:
    """Return a chart with a horizontal line from `low` to `high` for each row, and the number `middle` at its place."""
    across = {"type": "quantitative", "title": title, "scale": {"zero": False}}
    down = {"field": name, "type": "nominal", "sort": None, "title": None, "axis": {"domain": False, "ticks": False}}
    tips = [{"field": field} for field in (name, "low", "middle", "high")]
    line = {
        "mark": {"type": "rule", "strokeWidth": 6, "color": SERIES[0], "opacity": 0.35},
        "encoding": {"x": across | {"field": "low"}, "x2": {"field": "high"}, "y": down, "tooltip": tips},
    }
    middle = {"x": across | {"field": "middle"}, "y": down, "tooltip": tips}
    point = {
        "mark": {"type": "point", "filled": True, "color": SERIES[0], "size": 60, "opacity": 1},
        "encoding": middle,
    }
    number = {"mark": {"type": "text", "dy": -9, "fontSize": 10}, "encoding": middle | {"text": {"field": "middle"}}}
    return _chart(rows, layer=[line, point, number], height=ROW_PX * len(rows))


def draw_confusion(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, Any]:
    """Return a heat map of `examples` by `actual` (rows) and `predicted` (columns); `share` is the share of the row."""
    axis = {"domain": False, "ticks": False, "grid": False}
    encoding = {
        "x": {"field": "predicted", "type": "nominal", "sort": classes, "axis": axis | {"labelAngle": -40}},
        "y": {"field": "actual", "type": "nominal", "sort": classes, "axis": axis},
        "tooltip": [{"field": field} for field in ("actual", "predicted", "examples")]
        + [{"field": "share", "format": ".1%"}],
    }
    shade = {"field": "share", "type": "quantitative", "scale": {"domain": [0, 1], "range": [0.04, 1]}, "legend": None}
    right = {"condition": {"test": "datum.actual === datum.predicted", "value": SERIES[0]}, "value": SERIES[3]}
    cells = {
        "mark": {"type": "rect", "cornerRadius": 3, "stroke": "var(--card)", "strokeWidth": 2},
        "encoding": encoding | {"fillOpacity": shade, "fill": right},
    }
    ink = {"condition": {"test": "datum.share > 0.5", "value": "white"}, "value": "var(--ink)"}
    counts = {
        "transform": [{"filter": "datum.examples > 0"}],
        "mark": {"type": "text", "fontSize": 11},
        "encoding": encoding | {"text": {"field": "examples"}, "color": ink},
    }
    layer = [cells, counts] if len(classes) <= 20 else [cells]
    return _chart(rows, layer=layer, height=max(8, min(36, 720 // len(classes))) * len(classes))


def draw_calibration(rows: Sequence[Row]) -> dict[str, Any]:
    """Return each bin's accuracy over its confidence, and the line where both are equal."""
    ideal = {
        "data": {"values": [{"at": 0}, {"at": 1}]},
        "mark": {"type": "line", "strokeDash": [4, 4], "color": "var(--muted)", "strokeWidth": 1},
        "encoding": {name: {"field": "at", "type": "quantitative"} for name in "xy"},
    }
    percent = {"type": "quantitative", "scale": {"domain": [0, 1]}, "axis": {"format": "%"}}
    encoding = {
        "x": {"field": "confidence", "title": "confidence", **percent},
        "y": {"field": "accuracy", "title": "accuracy", **percent},
        "size": {"field": "examples", "type": "quantitative", "legend": None, "scale": {"range": [30, 300]}},
        "tooltip": [
            {"field": "confidence", "format": ".1%"},
            {"field": "accuracy", "format": ".1%"},
            {"field": "examples"},
        ],
    }
    line = {"mark": {"type": "line", "color": SERIES[0]}, "encoding": {name: encoding[name] for name in "xy"}}
    bins = {"mark": {"type": "point", "filled": True, "color": SERIES[0], "opacity": 1}, "encoding": encoding}
    return _chart(rows, layer=[ideal, line, bins])


def add_marks(chart: dict[str, Any], marks: Sequence[Row], *, x: str, y_px: int = 8) -> dict[str, Any]:
    """Return a chart with a vertical line at each mark's `at`, with its `label` beside it, `y_px` from the top."""
    if not marks:
        return chart
    place = {"x": {"field": "at", "type": "quantitative", "title": x}}
    rules = {"data": {"values": list(marks)}, "mark": {"type": "rule", "strokeDash": [3, 3]}, "encoding": place}
    label = {"type": "text", "align": "left", "dx": 4, "y": y_px, "fontSize": 10}
    words = {"data": {"values": list(marks)}, "mark": label, "encoding": place | {"text": {"field": "label"}}}
    return chart | {"layer": [rules, words, *chart["layer"]]}


def _chart(rows: Iterable[Row], *, height: Any = HEIGHT_PX, **spec: Any) -> dict[str, Any]:
    return {
        "width": "container",
        "height": height,
        "data": {"values": list(rows)},
        "config": CONFIG,
        **spec,
    }


def _quantify(channel: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "quantitative", "scale": {"zero": False}, **channel}


def _make_tooltip(channel: Mapping[str, Any]) -> dict[str, Any]:
    axis = channel.get("axis", {})
    tips = {"field": channel["field"], "title": channel.get("title", channel["field"])}
    return tips | {"format": ".1%" if axis.get("format") == "%" else ".4~g"}
