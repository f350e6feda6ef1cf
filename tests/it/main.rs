//! One test binary. Everything here runs the real program: the real server, the real database, the real store.
//! Every suite runs on both pairs: SQLite + disk, and PostgreSQL + S3. A missing test server fails a test; it
//! never skips one. `infra/test.sh` starts them.

mod anchors;
mod attacks;
mod bad_input;
mod bundle;
mod cluster;
mod crash;
mod erasure;
mod exiftool;
mod facts;
mod faults;
mod files;
mod flood;
mod keys;
mod memory;
mod observed;
mod pages;
mod people;
mod record;
mod resumable;
mod retention;
mod rights;
mod routes;
mod sealed;
mod stores;
mod story;
mod subjects;
mod support;
mod tidy;
mod together;
mod transport;
mod vectors;
mod workspace;
