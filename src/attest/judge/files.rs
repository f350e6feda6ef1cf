//! Where a bundle's files are: in a folder, or in a ZIP file as it was fetched. Links are not followed, nothing is written, and what
//! a ZIP file says of itself is not believed further than its end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::domain::custody::{bag, zip};

pub enum Files {
    Folder(PathBuf),
    Zip {
        file: File,
        /// Where each member's bytes are, and how many.
        members: BTreeMap<String, (u64, u64)>,
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
        let wrong = "not a ZIP file as bundles are delivered (stored, not compressed): or with something else in it: unpack it first";
        let length = file.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
        let read = |from: u64, bytes: u64| {
            let mut buffer = vec![0; usize::try_from(bytes).map_err(|e| e.to_string())?];
            file.read_exact_at(&mut buffer, from).map_err(|e| e.to_string())?;
            Ok::<_, String>(buffer)
        };
        let tail = length.min(zip::TAIL_BYTES);
        let directory = zip::directory(&read(length - tail, tail)?, length).ok_or(wrong)?;
        if directory.size > DIRECTORY_BYTES_MAX {
            return Err(wrong.into());
        }
        let listed = directory.members(&read(directory.offset, length - directory.offset)?).ok_or(wrong)?;
        let (mut members, mut top) = (BTreeMap::new(), None);
        for member in listed {
            let (header, start) = (member.header_bytes(), member.start().ok_or(wrong)?);
            if read(member.header, header.len() as u64)? != header {
                return Err(wrong.into());
            }
            let inside = member.name.split_once('/').filter(|_| bag::stays_inside(&member.name));
            let (folder, within) = inside.ok_or(wrong)?;
            let one = *top.get_or_insert_with(|| folder.to_owned()) == folder;
            if !one || members.insert(within.to_owned(), (start, member.size)).is_some() {
                return Err(wrong.into());
            }
        }
        Ok(Self::Zip { file, members })
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
            let Self::Zip { members, .. } = self else { return Err(String::new()) };
            return Ok((members.keys().cloned().collect(), Vec::new()));
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
