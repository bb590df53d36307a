//! A result as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.
//!
//! [`mod@run`] (with [`over_time`] and [`opening`]) and [`mod@comparison`] lay out what a record says; [`plot`] and [`bars`] draw it as SVG over an
//! [`axis`]; [`html`] is the only way text gets into the page, and escapes it. Plots have their figures beside them in tables; lines are
//! told apart by their dashes as well as by their colours.

mod axis;
mod bars;
mod comparison;
mod figures;
mod html;
mod opening;
mod over_time;
mod plot;
mod run;
mod series;

pub(crate) use comparison::{comparison, picture};
pub(crate) use run::run;

use html::{Html, facts};

const STYLE: &str = include_str!("style.css");

/// A whole page.
fn document(title: &str, body: impl FnOnce(&mut Html)) -> String {
    let mut html = Html::default();
    html.fixed("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
    // Whatever a record contained: nothing is loaded, nothing runs.
    html.fixed("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n");
    html.fixed("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
    html.fixed("<meta name=\"color-scheme\" content=\"light dark\"/>\n");
    html.words("title", &[], title);
    html.fixed("\n<style>\n");
    html.fixed(STYLE);
    html.fixed("</style>\n</head>\n<body>\n<main>\n");
    body(&mut html);
    html.fixed("</main>\n</body>\n</html>\n");
    html.finish()
}

/// How a note is to be taken.
#[derive(Clone, Copy)]
enum Note {
    Good,
    Careful,
    Bad,
}

/// A sentence that comes before the figures.
fn note(html: &mut Html, note: Note, words: &str) {
    let (class, sign) = match note {
        Note::Good => ("note good", "✓"),
        Note::Careful => ("note careful", "!"),
        Note::Bad => ("note bad", "✗"),
    };
    html.element("p", &[("class", &class)], |html| {
        html.words("span", &[("class", &"sign"), ("aria-hidden", &"true")], sign);
        html.words("span", &[], words);
    });
}

/// A plot with its heading, and what is said below it.
fn figure(html: &mut Html, heading: &str, caption: &str, draw: impl FnOnce(&mut Html)) {
    html.element("figure", &[], |html| {
        html.words("h3", &[], heading);
        draw(html);
        if !caption.is_empty() {
            html.words("figcaption", &[], caption);
        }
    });
    html.fixed("\n");
}

/// A part of the page that is open at first only on paper.
fn folded(html: &mut Html, summary: &str, inside: impl FnOnce(&mut Html)) {
    html.element("details", &[], |html| {
        html.words("summary", &[], summary);
        inside(html);
    });
    html.fixed("\n");
}

/// Where it ran.
fn setting(html: &mut Html, setting: &crate::record::Setting) {
    facts(
        html,
        &[
            ("Processor", setting.processor.clone()),
            ("Cores", setting.cores.to_string()),
            ("Memory", super::figure::bytes(setting.memory_bytes as f64)),
            ("Kernel", setting.kernel.clone()),
            ("Load generator", setting.loadgen.clone()),
        ],
    );
}
