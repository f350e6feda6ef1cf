//! Where a bundle's files are: in a folder, or in a ZIP file as it was fetched. Links are not followed, nothing is written, and what
//! a ZIP file says of itself is not believed further than its end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::domain::custody::zip;

pub enum Files {
    Folder(PathBuf),
    Zip {
        file: File,
        /// Where each member's bytes are, and how many.
        members: BTreeMap<String, (u64, u64)>,
        /// Names that stand twice, or that no folder could have.
        odd: Vec<String>,
    },
}

/// A directory beyond that is not a bundle's.
const DIRECTORY_BYTES_MAX: u64 = 256 << 20;

impl Files {
    pub fn open(path: &Path) -> Result<Self, String> {
        if path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let mut file = File::open(path).map_err(|e| e.to_string())?;
        let wrong = "not a ZIP file as bundles are delivered (stored, not compressed): unpack it first";
        let length = file.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
        let read = |from: u64, bytes: u64| {
            let mut buffer = vec![0; usize::try_from(bytes).map_err(|e| e.to_string())?];
            file.read_exact_at(&mut buffer, from).map_err(|e| e.to_string())?;
            Ok::<_, String>(buffer)
        };
        let tail = length.min(zip::TAIL_BYTES);
        let directory = zip::directory(&read(length - tail, tail)?).ok_or(wrong)?;
        if directory.size > DIRECTORY_BYTES_MAX || directory.offset.checked_add(directory.size).is_none_or(|end| end > length) {
            return Err(wrong.into());
        }
        let listed = directory.members(&read(directory.offset, directory.size)?).ok_or(wrong)?;
        let (mut members, mut odd) = (BTreeMap::new(), Vec::new());
        let mut top = None;
        for member in listed {
            let header = (zip::header_bytes(member.name.len()) as u64).min(length.saturating_sub(member.header));
            let start = read(member.header, header).ok().and_then(|h| zip::data_start(&h, &member));
            let start = start.filter(|start| start.checked_add(member.size).is_some_and(|end| end <= length)).ok_or(wrong)?;
            let Some((folder, within)) = member.name.split_once('/') else {
                odd.push(member.name);
                continue;
            };
            let plain = within.split('/').all(|part| !matches!(part, "" | "." | "..")) && !within.contains(['\\', '\0']);
            let one = *top.get_or_insert_with(|| folder.to_owned()) == folder;
            if !plain || !one || members.insert(within.to_owned(), (start, member.size)).is_some() {
                odd.push(member.name);
            }
        }
        Ok(Self::Zip { file, members, odd })
    }

    /// The bytes of one file, and how many there are.
    pub fn open_file<'a>(&'a self, path: &str) -> Result<(u64, Box<dyn Read + 'a>), String> {
        match self {
            Self::Folder(folder) => {
                let at = folder.join(path);
                let meta = fs::symlink_metadata(&at).map_err(|e| e.to_string())?;
                if !meta.is_file() {
                    return Err("not a plain file".into());
                }
                Ok((meta.len(), Box::new(File::open(&at).map_err(|e| e.to_string())?)))
            }
            Self::Zip { file, members, .. } => {
                let (start, size) = *members.get(path).ok_or("not in the ZIP file")?;
                Ok((size, Box::new(Stretch { file, at: start, left: size })))
            }
        }
    }

    /// Every path, and what is not a plain file.
    pub fn list(&self) -> Result<(Vec<String>, Vec<String>), String> {
        let Self::Folder(folder) = self else {
            let Self::Zip { members, odd, .. } = self else { return Err(String::new()) };
            return Ok((members.keys().cloned().collect(), odd.clone()));
        };
        let (mut plain, mut odd, mut folders) = (Vec::new(), Vec::new(), vec![PathBuf::new()]);
        while let Some(at) = folders.pop() {
            for entry in fs::read_dir(folder.join(&at)).map_err(|e| e.to_string())? {
                let entry = entry.map_err(|e| e.to_string())?;
                let within = at.join(entry.file_name());
                let kind = entry.file_type().map_err(|e| e.to_string())?;
                if kind.is_dir() {
                    folders.push(within);
                } else if kind.is_file() {
                    plain.push(within.to_string_lossy().into_owned());
                } else {
                    odd.push(within.to_string_lossy().into_owned());
                }
            }
        }
        Ok((plain, odd))
    }
}

/// A part of a file, read from its beginning.
struct Stretch<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Stretch<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += n as u64;
        self.left -= n as u64;
        if n == 0 && wanted > 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(n)
    }
}
