//! Points between two steps that a crash may part. A test names one and a count (`TEMOIN_TEST_END_AT=committed:2`), and there the
//! process ends as it would without power. A release build has nothing of this.

#[cfg(not(debug_assertions))]
pub const fn reached(_step: &str) {}

#[cfg(debug_assertions)]
pub fn reached(step: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static END: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static TIMES: AtomicU32 = AtomicU32::new(0);
    let end = END.get_or_init(|| {
        let said = std::env::var("TEMOIN_TEST_END_AT").ok()?;
        let (step, times) = said.split_once(':')?;
        Some((step.to_owned(), times.parse().ok()?))
    });
    if let Some((_, times)) = end.as_ref().filter(|(wanted, _)| wanted == step)
        && TIMES.fetch_add(1, Ordering::SeqCst) + 1 == *times
    {
        std::process::abort();
    }
}
