//! Curves as SVG: DET, ROC, precision against recall, FNIR against FPIR by gallery size.
//!
//! Owns: axes, colours, legends. Does not own: the numbers.
//! Invariants: text is SVG text, so no font is needed to write a plot; rates of 0 are drawn at the axis' end; a file
//! that exists is replaced.

use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::EvaluateError;
use super::scores::Point;

/// A named line.
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

const SIZE: (u32, u32) = (760, 520);
const FONT: &str = "sans-serif";
/// Told apart by people who see no red and green, too (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
/// The rarest rate drawn.
const RAREST: f64 = 1e-7;

/// False non-match rate against false match rate, both logarithmic.
pub(super) fn det(folder: &Path, curves: &[(String, Vec<Point>)]) -> Result<PathBuf, EvaluateError> {
    let curves: Vec<_> = curves
        .iter()
        .map(|(name, points)| Curve {
            name: name.clone(),
            points: points
                .iter()
                .filter(|p| p.fmr > 0.0)
                .map(|p| (log10(p.fmr), log10(p.fnmr.max(1e-4))))
                .collect(),
        })
        .collect();
    let axes = Axes {
        title: "DET",
        x: "false match rate",
        y: "false non-match rate",
        xs: (-7.0, 0.0),
        ys: (-4.0, 0.0),
    };
    draw(folder.join("det.svg"), &axes, &curves, Some((&power, &power)))
}

/// True accept rate against false match rate, the latter logarithmic.
pub(super) fn roc(folder: &Path, curves: &[(String, Vec<Point>)]) -> Result<PathBuf, EvaluateError> {
    let lowest =
        curves.iter().flat_map(|(_, points)| points).filter(|p| p.fmr >= RAREST).map(|p| 1.0 - p.fnmr);
    // Round down to a tenth, and leave some room below perfect curves.
    let floor = (lowest.fold(0.9_f64, f64::min) * 10.0).floor() / 10.0;
    let curves: Vec<_> = curves
        .iter()
        .map(|(name, points)| Curve {
            name: name.clone(),
            points: points.iter().filter(|p| p.fmr > 0.0).map(|p| (log10(p.fmr), 1.0 - p.fnmr)).collect(),
        })
        .collect();
    let axes = Axes {
        title: "ROC",
        x: "false match rate",
        y: "true accept rate",
        xs: (-7.0, 0.0),
        ys: (floor, 1.0),
    };
    draw(folder.join("roc.svg"), &axes, &curves, Some((&power, &plain)))
}

/// Precision against recall of a detector.
pub(super) fn detection(folder: &Path, name: &str, curves: &[Curve]) -> Result<PathBuf, EvaluateError> {
    let title = format!("Detection, {name}");
    let axes = Axes { title: &title, x: "recall", y: "precision", xs: (0.0, 1.0), ys: (0.0, 1.0) };
    draw(folder.join(format!("detection-{name}.svg")), &axes, curves, None)
}

struct Axes<'a> {
    title: &'a str,
    x: &'a str,
    y: &'a str,
    xs: (f64, f64),
    ys: (f64, f64),
}

/// How the marks of both axes are written.
type Labels<'a> = Option<(&'a dyn Fn(&f64) -> String, &'a dyn Fn(&f64) -> String)>;

fn draw(
    path: PathBuf,
    axes: &Axes<'_>,
    curves: &[Curve],
    labels: Labels<'_>,
) -> Result<PathBuf, EvaluateError> {
    let failed = |what: String| EvaluateError::Plot { path: path.clone(), what };
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        paint(&root, axes, curves, labels).map_err(|e| failed(e.to_string()))?;
    }
    std::fs::write(&path, text).map_err(|e| failed(e.to_string()))?;
    Ok(path)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type PaintError = DrawingAreaErrorKind<std::io::Error>;

fn paint(root: &Area<'_>, axes: &Axes<'_>, curves: &[Curve], labels: Labels<'_>) -> Result<(), PaintError> {
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(root)
        .caption(axes.title, (FONT, 20))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(58)
        .build_cartesian_2d(axes.xs.0..axes.xs.1, axes.ys.0..axes.ys.1)?;
    let (x_label, y_label) = labels.unwrap_or((&plain, &plain));
    chart
        .configure_mesh()
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_labels(8)
        .y_labels(6)
        .x_label_formatter(x_label)
        .y_label_formatter(y_label)
        .axis_desc_style((FONT, 15))
        .label_style((FONT, 13))
        .light_line_style(WHITE)
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let inside = |v: f64, (low, high): (f64, f64)| v.clamp(low, high);
        let points =
            thinned(&curve.points).into_iter().map(|(x, y)| (inside(x, axes.xs), inside(y, axes.ys)));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(curve.name.as_str())
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    legend(&mut chart)?;
    root.present()
}

type Chart<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn legend<'a>(chart: &mut Chart<'a, 'a>) -> Result<(), PaintError> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .margin(14)
        .label_font((FONT, 13))
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()
}

/// At most some hundred points, so that a plot stays small enough to be read in a diff; the ends are kept.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const STEP: f64 = 0.004;
    let far = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).abs() > STEP || (a.1 - b.1).abs() > STEP;
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for point in points {
        if kept.last().is_none_or(|last| far(*last, *point)) {
            kept.push(*point);
        }
    }
    kept.extend(points.last());
    kept
}

fn log10(rate: f64) -> f64 {
    rate.max(RAREST).log10()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape plotters asks for")]
fn power(exponent: &f64) -> String {
    match exponent.round() as i32 {
        0 => "1".to_owned(),
        -1 => "0.1".to_owned(),
        -2 => "0.01".to_owned(),
        e => format!("1e{e}"),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape plotters asks for")]
fn plain(value: &f64) -> String {
    format!("{value:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_is_svg_with_readable_text_and_little_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let points = (0..20_000).map(|i| {
            let t = f64::from(i) / 20_000.0;
            Point { fmr: t * t, fnmr: 1.0 - t }
        });
        let curves = [("set & pairs <1>".to_owned(), points.collect::<Vec<_>>())];
        for path in [det(folder.path(), &curves).unwrap(), roc(folder.path(), &curves).unwrap()] {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
            assert!(text.contains("<text") && text.contains("false match rate"));
            assert!(text.contains("set &amp; pairs &lt;1&gt;"), "names are escaped");
            assert!(text.contains("1e-4"), "decades are marked");
            assert!(text.len() < 60_000, "{} bytes", text.len());
        }
        assert!(det(Path::new("/nonexistent"), &curves).is_err());
    }
}
