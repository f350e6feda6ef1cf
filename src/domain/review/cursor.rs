//! Where a page ended.

use serde::{Deserialize, Serialize};

use super::filter::Filter;
use crate::domain::value::Id;

/// Where a page ended. Opaque to clients, and bound to its filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    f: String,
    /// Sort key of the last row.
    pub key: i64,
    pub id: Id,
}

impl Cursor {
    pub fn after(filter: &Filter, key: i64, id: Id) -> String {
        let cursor = Self { f: filter.fingerprint(), key, id };
        data_encoding::BASE64URL_NOPAD.encode(&serde_json::to_vec(&cursor).unwrap_or_default())
    }

    /// `Err` when it is not ours, or belongs to another filter or order.
    pub fn read(text: &str, filter: &Filter) -> Result<Self, ()> {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| ())?;
        let cursor: Self = serde_json::from_slice(&bytes).map_err(|_| ())?;
        (cursor.f == filter.fingerprint()).then_some(cursor).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::filter::Order;
    use super::*;
    use crate::domain::value::Utc;

    #[test]
    fn a_cursor_belongs_to_its_filter() {
        let one = Filter::default();
        let other = Filter { order: Order::Time, ..Filter::default() };
        let id = Id::new(Utc::from_micros(5), [1; 10]);
        let text = Cursor::after(&one, 42, id);
        assert_eq!(Cursor::read(&text, &one).unwrap().key, 42);
        assert!(Cursor::read(&text, &other).is_err());
        assert!(Cursor::read("%%%", &one).is_err());
    }
}
