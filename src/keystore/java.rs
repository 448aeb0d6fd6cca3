//! As much of Java's object serialization as a keystore holds (`java.io.ObjectStreamConstants`).
//!
//! ```text
//! stream     AC ED 00 05, then one object
//! object     73 class fields*, from the topmost superclass down
//! class      72 name u64 flags u16 (type name [class of the field])* annotation 78, superclass
//! array      75 class u32 elements
//! string     74 u16 bytes
//! reference  71 u32      to anything that stood before, counted from 7E0000
//! null       70
//! ```

use super::KeystoreError;
use std::rc::Rc;

const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const CLASS: u8 = 0x72;
const OBJECT: u8 = 0x73;
const STRING: u8 = 0x74;
const ARRAY: u8 = 0x75;
const BLOCK_DATA: u8 = 0x77;
const END_BLOCK_DATA: u8 = 0x78;
const ENUM: u8 = 0x7e;

const FIRST_HANDLE: u32 = 0x7e_0000;
const HAS_WRITE_METHOD: u8 = 0x01;
const IS_EXTERNALIZABLE: u8 = 0x04;
/// A key or a sealed object is three deep.
const DEPTH_MAX: u32 = 16;

/// A value of a field.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, a number, or something that a key does not need.
    Other,
    /// A `String`.
    String(Rc<str>),
    /// A `byte[]`.
    Bytes(Rc<[u8]>),
    /// Any other object, an enum constant as one without fields.
    Object(Rc<Object>),
}

/// An object: its class and its fields, those of superclasses too.
#[derive(Debug)]
pub struct Object {
    /// Name of its class.
    pub class: String,
    fields: Vec<(String, Value)>,
}

impl Object {
    /// A field that is a `byte[]`.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find_map(|(field, value)| match value {
            Value::Bytes(bytes) if field == name => Some(&**bytes),
            _ => None,
        })
    }

    /// A field that is a `String`.
    pub fn string(&self, name: &str) -> Option<&str> {
        self.fields.iter().find_map(|(field, value)| match value {
            Value::String(text) if field == name => Some(&**text),
            _ => None,
        })
    }
}

#[derive(Debug)]
struct Class {
    name: String,
    flags: u8,
    fields: Vec<(u8, String)>,
    parent: Option<Rc<Class>>,
}

#[derive(Clone, Debug)]
enum Handle {
    /// Being read.
    Open,
    Class(Rc<Class>),
    Value(Value),
}

/// A cursor over the bytes of a keystore.
#[derive(Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    handles: Vec<Handle>,
}

type Result<T> = std::result::Result<T, KeystoreError>;

impl<'a> Cursor<'a> {
    /// At the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0, handles: Vec::new() }
    }

    /// The bytes that were passed.
    pub fn passed(&self) -> &'a [u8] {
        self.bytes.get(..self.at).unwrap_or_default()
    }

    /// The bytes that are left.
    pub fn left(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// That something else was expected here.
    pub fn expected(&self, expected: &'static str) -> KeystoreError {
        KeystoreError::Content { at: self.at, expected }
    }

    /// So many bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let taken = self.left().get(..length).ok_or_else(|| self.expected("more bytes"))?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let found = self.left().first_chunk().copied().ok_or_else(|| self.expected("more bytes"))?;
        self.at += N;
        Ok(found)
    }

    /// A byte.
    pub fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A text with its length in two bytes (`DataOutput.writeUTF`).
    pub fn utf(&mut self) -> Result<String> {
        let length = self.u16()?;
        let bytes = self.take(length.into())?;
        // Java's own encoding differs from UTF-8 for NUL and beyond the BMP only.
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// A stream with one object in it. The cursor stands behind it then.
    pub fn object_stream(&mut self) -> Result<Rc<Object>> {
        if self.u32()? != 0xaced_0005 {
            return Err(self.expected("a serialized object"));
        }
        self.handles.clear();
        match self.value(0)? {
            Value::Object(object) => Ok(object),
            _ => Err(self.expected("an object")),
        }
    }

    fn value(&mut self, depth: u32) -> Result<Value> {
        if depth > DEPTH_MAX {
            return Err(self.expected("objects that are less deep"));
        }
        match self.u8()? {
            NULL => Ok(Value::Other),
            REFERENCE => match self.reference()? {
                Handle::Value(value) => Ok(value),
                Handle::Open | Handle::Class(_) => Ok(Value::Other),
            },
            STRING => {
                let handle = self.handle();
                let text = Value::String(self.utf()?.into());
                self.close(handle, &text);
                Ok(text)
            }
            OBJECT => self.object(depth),
            ARRAY => self.array_value(depth),
            ENUM => {
                let class = self.class(depth)?.ok_or_else(|| self.expected("a class"))?;
                let handle = self.handle();
                self.value(depth + 1)?;
                let constant = Value::Object(Rc::new(Object { class: class.name.clone(), fields: Vec::new() }));
                self.close(handle, &constant);
                Ok(constant)
            }
            _ => Err(self.expected("a serialized value")),
        }
    }

    fn object(&mut self, depth: u32) -> Result<Value> {
        let class = self.class(depth)?.ok_or_else(|| self.expected("a class"))?;
        let handle = self.handle();
        let parents: Vec<Rc<Class>> = std::iter::successors(Some(class.clone()), |class| class.parent.clone()).collect();
        let mut fields = Vec::new();
        for class in parents.iter().rev() {
            if class.flags & IS_EXTERNALIZABLE != 0 {
                return Err(self.expected("no object with a format of its own"));
            }
            for (code, name) in &class.fields {
                fields.push((name.clone(), self.field(*code, depth)?));
            }
            if class.flags & HAS_WRITE_METHOD != 0 {
                self.annotation(depth)?;
            }
        }
        let object = Value::Object(Rc::new(Object { class: class.name.clone(), fields }));
        self.close(handle, &object);
        Ok(object)
    }

    fn field(&mut self, code: u8, depth: u32) -> Result<Value> {
        let length = match code {
            b'B' | b'Z' => 1,
            b'C' | b'S' => 2,
            b'F' | b'I' => 4,
            b'D' | b'J' => 8,
            b'L' | b'[' => return self.value(depth + 1),
            _ => return Err(self.expected("a type of a field")),
        };
        self.take(length)?;
        Ok(Value::Other)
    }

    fn array_value(&mut self, depth: u32) -> Result<Value> {
        let class = self.class(depth)?.ok_or_else(|| self.expected("a class"))?;
        let handle = self.handle();
        let length = self.u32()?;
        let array = if class.name == "[B" {
            Value::Bytes(self.take(length as usize)?.into())
        } else {
            let code = *class.name.as_bytes().get(1).ok_or_else(|| self.expected("an array"))?;
            for _ in 0..length {
                self.field(code, depth)?;
            }
            Value::Other
        };
        self.close(handle, &array);
        Ok(array)
    }

    fn class(&mut self, depth: u32) -> Result<Option<Rc<Class>>> {
        if depth > DEPTH_MAX {
            return Err(self.expected("classes that are less deep"));
        }
        match self.u8()? {
            NULL => Ok(None),
            REFERENCE => match self.reference()? {
                Handle::Class(class) => Ok(Some(class)),
                Handle::Open | Handle::Value(_) => Err(self.expected("a class")),
            },
            CLASS => {
                let name = self.utf()?;
                self.take(8)?;
                let handle = self.handle();
                let flags = self.u8()?;
                let mut fields = Vec::new();
                for _ in 0..self.u16()? {
                    let code = self.u8()?;
                    let field = self.utf()?;
                    if matches!(code, b'L' | b'[') {
                        self.value(depth + 1)?;
                    }
                    fields.push((code, field));
                }
                self.annotation(depth)?;
                let parent = self.class(depth + 1)?;
                let class = Rc::new(Class { name, flags, fields, parent });
                if let Some(open) = self.handles.get_mut(handle) {
                    *open = Handle::Class(class.clone());
                }
                Ok(Some(class))
            }
            _ => Err(self.expected("a class")),
        }
    }

    /// What a class has written by itself, to its end.
    fn annotation(&mut self, depth: u32) -> Result<()> {
        loop {
            match self.left().first() {
                Some(&END_BLOCK_DATA) => {
                    self.at += 1;
                    return Ok(());
                }
                Some(&BLOCK_DATA) => {
                    self.at += 1;
                    let length = self.u8()?;
                    self.take(length.into())?;
                }
                _ => {
                    self.value(depth + 1)?;
                }
            }
        }
    }

    fn handle(&mut self) -> usize {
        self.handles.push(Handle::Open);
        self.handles.len() - 1
    }

    fn close(&mut self, handle: usize, value: &Value) {
        if let Some(open) = self.handles.get_mut(handle) {
            *open = Handle::Value(value.clone());
        }
    }

    fn reference(&mut self) -> Result<Handle> {
        let handle = self.u32()?;
        let index = handle.checked_sub(FIRST_HANDLE).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.handles.get(index)).cloned().ok_or_else(|| self.expected("a reference to what stood before"))
    }
}
