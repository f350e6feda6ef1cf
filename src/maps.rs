//! What the operator dropped into the folder `maps` of the data folder, so that there are maps without the internet:
//!
//! - `map.pmtiles`: a map of the region, vector or pictures (PMTiles 3, <https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md>);
//! - plans: a picture (`station.png`, `.jpg`, `.webp`) and beside it `station.json`, which pins points of it to the Earth:
//!   `{"name": "Gare du Nord, level −1", "pins": [{"x": 120, "y": 80, "lat": 48.8801, "lon": 2.3551}, …]}`, in pixels from the
//!   picture's upper left corner. Two pins turn and scale it; three or more may also stretch and shear it.
//!
//! The pictures are the operator's own and are handed to browsers as they are; this program does not decode them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::value::Point;
use crate::error::{Error, Result};

const MAP: &str = "map.pmtiles";
const PICTURES: [(&str, &str); 4] = [("png", "image/png"), ("jpg", "image/jpeg"), ("jpeg", "image/jpeg"), ("webp", "image/webp")];
const PINS_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 80;
/// A plan's description is small.
const BYTES_MAX: u64 = 64 * 1024;

/// A point of a plan's picture, in pixels, and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    x: f64,
    y: f64,
    lat: f64,
    lon: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    name: String,
    pins: Vec<Pin>,
}

/// A picture that is laid over the map.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    pub name: String,
    /// The picture's file in the folder.
    pub file: String,
    pub pins: Vec<Pin>,
}

/// What is in the folder.
#[derive(Default)]
pub struct Maps {
    pub has_map: bool,
    pub plans: Vec<Plan>,
    /// Files that are not used, and why.
    pub problems: Vec<String>,
}

pub fn folder(data: &Path) -> PathBuf {
    data.join("maps")
}

/// Looks what is there now: what is dropped in is used without a restart.
pub async fn look(data: &Path) -> Maps {
    let folder = folder(data);
    let mut maps = Maps::default();
    let Ok(mut entries) = tokio::fs::read_dir(&folder).await else { return maps };
    let mut names = Vec::new();
    while let Ok(Some(entry)) = entries.next_entry().await {
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    for name in &names {
        if name == MAP {
            maps.has_map = true;
        } else if let Some(stem) = name.strip_suffix(".json") {
            match plan(&folder, stem, &names).await {
                Ok(plan) => maps.plans.push(plan),
                Err(why) => maps.problems.push(format!("{name}: {why}")),
            }
        }
    }
    maps
}

async fn plan(folder: &Path, stem: &str, names: &[String]) -> std::result::Result<Plan, String> {
    let path = folder.join(format!("{stem}.json"));
    if tokio::fs::metadata(&path).await.map_err(|e| e.to_string())?.len() > BYTES_MAX {
        return Err(format!("larger than {BYTES_MAX} bytes"));
    }
    let text = tokio::fs::read_to_string(&path).await.map_err(|e| e.to_string())?;
    let described: Described = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let file = PICTURES.iter().map(|(end, _)| format!("{stem}.{end}")).find(|f| names.contains(f));
    let file = file.ok_or_else(|| format!("there is no picture {stem}.png, .jpg or .webp beside it"))?;
    checked(described, file)
}

fn checked(d: Described, file: String) -> std::result::Result<Plan, String> {
    let name = d.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(format!("a name of 1 to {NAME_CHARS_MAX} characters"));
    }
    if !(2..=PINS_MAX).contains(&d.pins.len()) {
        return Err(format!("2 to {PINS_MAX} pins"));
    }
    if d.pins.iter().any(|p| Point::new(p.lat, p.lon).is_none() || !p.x.is_finite() || !p.y.is_finite()) {
        return Err("a pin lies outside the Earth".into());
    }
    let far = |a: &Pin, b: &Pin| (a.x - b.x).hypot(a.y - b.y) >= 1.0 && (a.lat, a.lon) != (b.lat, b.lon);
    if !d.pins.iter().any(|p| far(p, &d.pins[0])) {
        return Err("the pins lie on one another".into());
    }
    Ok(Plan { name, file, pins: d.pins })
}

/// A file of the folder that browsers are given, and its type.
pub async fn open(data: &Path, file: &str) -> Result<(tokio::fs::File, u64, &'static str)> {
    // One component, of plain letters: no path is made of what a stranger typed.
    let plain = !file.starts_with('.') && file.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let end = file.rsplit_once('.').map(|(_, end)| end).unwrap_or_default();
    let kind = if file == MAP { Some("application/vnd.pmtiles") } else { PICTURES.iter().find(|(e, _)| *e == end).map(|(_, kind)| *kind) };
    let kind = kind.filter(|_| plain).ok_or(Error::NotFound)?;
    let opened = tokio::fs::File::open(folder(data).join(file)).await.map_err(|_| Error::NotFound)?;
    let about = opened.metadata().await.map_err(Error::internal)?;
    if !about.is_file() {
        return Err(Error::NotFound);
    }
    Ok((opened, about.len(), kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_dropped_in_is_found_and_what_makes_no_sense_is_named() {
        let data = tempfile::tempdir().unwrap();
        assert!(!look(data.path()).await.has_map);
        std::fs::create_dir(folder(data.path())).unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder(data.path()).join(name), text).unwrap();
        let pins = |second: &str| format!(r#"{{"name": "Hall", "pins": [{{"x": 0, "y": 0, "lat": 1, "lon": 2}}, {second}]}}"#);
        put("map.pmtiles", "PMTiles");
        put("hall.png", "picture");
        put("hall.json", &pins(r#"{"x": 10, "y": 0, "lat": 1, "lon": 2.1}"#));
        put("no-picture.json", &pins(r#"{"x": 10, "y": 0, "lat": 1, "lon": 2.1}"#));
        put("far.png", "");
        put("far.json", &pins(r#"{"x": 10, "y": 0, "lat": 91, "lon": 2.1}"#));
        put("one.png", "");
        put("one.json", &pins(r#"{"x": 0, "y": 0, "lat": 1, "lon": 2}"#));
        put("words.png", "");
        put("words.json", "hall");
        let found = look(data.path()).await;
        assert!(found.has_map);
        assert_eq!(found.plans.iter().map(|p| (p.name.as_str(), p.file.as_str())).collect::<Vec<_>>(), [("Hall", "hall.png")]);
        assert_eq!(found.problems.len(), 4, "{:?}", found.problems);
        assert_eq!(open(data.path(), "hall.png").await.unwrap().1, 7);
        for wrong in ["hall.json", "../temoin.db", "..", ".png", "a/b.png", "none.png", "hall.svg"] {
            assert!(matches!(open(data.path(), wrong).await, Err(Error::NotFound)), "{wrong}");
        }
    }
}
