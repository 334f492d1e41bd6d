// SPDX-License-Identifier: GPL-2.0

//! Asynchronous compression: algorithms that a device implements.
//!
//! C headers: [`include/crypto/internal/acompress.h`](srctree/include/crypto/internal/acompress.h),
//! [`include/crypto/acompress.h`](srctree/include/crypto/acompress.h)

#[cfg(CONFIG_ZLIB_INFLATE = "y")]
use crate::zlib::{
    Inflater,
    Inflating,
    Step, //
};
use crate::{
    bindings,
    bottom_half,
    dma::scatter::ScatterList,
    error::to_result,
    module::this_module,
    prelude::*,
    types::Opaque, //
};
use core::{
    mem::{
        offset_of,
        ManuallyDrop, //
    },
    ptr::NonNull, //
};

/// Which way a request goes.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Direction {
    /// Makes it smaller.
    Compress,
    /// Makes it what it was.
    Decompress,
}

/// An asynchronous implementation of a compression algorithm.
///
/// There is another one, in software, to which everything can go that this one can't do: the API
/// makes a transform of it for each of this one's.
///
/// # Examples
///
/// ```
/// use kernel::{
///     crypto::acomp::{
///         Algorithm,
///         Pending,
///         Registration, //
///     },
///     prelude::*, //
/// };
///
/// /// Has no device, and does all in software.
/// struct Nothing;
///
/// #[vtable]
/// impl Algorithm for Nothing {
///     const NAME: &'static CStr = c"deflate";
///     const DRIVER_NAME: &'static CStr = c"deflate-nothing";
///     const PRIORITY: i32 = 0;
///
///     fn begin(&self, mut request: Pending) -> Result<(), (Pending, Result<usize>)> {
///         let result = request.do_in_software();
///         Err((request, result))
///     }
/// }
///
/// let registration = Registration::new(Nothing)?;
/// // Users who have it keep it.
/// drop(registration);
/// # Ok::<(), Error>(())
/// ```
#[vtable]
pub trait Algorithm: Send + Sync + 'static {
    /// What is implemented: `deflate`, for example. At most 127 bytes, as the next one.
    const NAME: &'static CStr;

    /// Who implements it.
    const DRIVER_NAME: &'static CStr;

    /// Of those who implement an algorithm, users get the one with the highest number; 0 at least.
    const PRIORITY: i32;

    /// Begins a request, which [`Pending::end`] ends, then or later; or does it in software, and
    /// gives it back with what came of it.
    ///
    /// Called from any context but hard interrupts; must not sleep.
    fn begin(&self, request: Pending) -> Result<(), (Pending, Result<usize>)>;
}

/// A request that was begun and has not ended.
///
/// If it is dropped, it ends with [`ECANCELED`].
///
/// # Invariants
///
/// The request is valid, with lists for input and output, and so is all that it names, until it is
/// completed, which this alone does, once.
pub struct Pending {
    request: NonNull<bindings::acomp_req>,
    direction: Direction,
}

impl Pending {
    /// What is read.
    pub fn source(&self) -> ScatterList<'_> {
        // SAFETY: By the type invariant.
        unsafe { ScatterList::from_raw(NonNull::new_unchecked(self.src()), self.slen()) }
    }

    /// The room for what is written.
    pub fn dest(&self) -> ScatterList<'_> {
        // SAFETY: By the type invariant.
        unsafe { ScatterList::from_raw(NonNull::new_unchecked(self.dst()), self.dlen()) }
    }

    fn src(&self) -> *mut bindings::scatterlist {
        // SAFETY: By the type invariant; it is one of the fields' two meanings that is a list.
        unsafe { (*self.request.as_ptr()).__bindgen_anon_1.src }
    }

    fn dst(&self) -> *mut bindings::scatterlist {
        // SAFETY: As above.
        unsafe { (*self.request.as_ptr()).__bindgen_anon_2.dst }
    }

    fn slen(&self) -> usize {
        // SAFETY: By the type invariant.
        unsafe { (*self.request.as_ptr()).slen as usize }
    }

    fn dlen(&self) -> usize {
        // SAFETY: By the type invariant.
        unsafe { (*self.request.as_ptr()).dlen as usize }
    }

    /// Whether the result is to be written over the input. No device does that.
    pub fn is_in_place(&self) -> bool {
        self.src() == self.dst()
    }

    /// Which way it goes.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Ends it, with the bytes that were written, or an error. Not from hard interrupts; does not
    /// sleep.
    pub fn end(self, result: Result<usize>) {
        ManuallyDrop::new(self).complete(result);
    }

    /// Does it with the transform in software; returns the bytes that were written. Does not sleep.
    pub fn do_in_software(&mut self) -> Result<usize> {
        let compress = self.direction == Direction::Compress;
        // SAFETY: By the type invariant. The transform has one in software, since the algorithm is
        // registered as asynchronous.
        to_result(unsafe { bindings::acomp_request_fallback(self.request.as_ptr(), compress) })?;
        Ok(self.dlen())
    }

    /// Decompresses raw deflate of any window, without a transform; returns the bytes that were
    /// written. Does not sleep.
    ///
    /// Fails with [`ENOSPC`] if there is not enough room, with [`EINVAL`] if the input is no
    /// deflate stream, or ends before that.
    #[cfg(CONFIG_ZLIB_INFLATE = "y")]
    pub fn inflate(&mut self, inflater: &mut Inflater) -> Result<usize> {
        let mut stream = inflater.begin()?;
        let mut walk = Walk::new(self)?;
        let mut written = 0;
        loop {
            let (input, len) = walk.source();
            let mut taken = 0;
            let result = loop {
                // SAFETY: The walk has the rest of this piece mapped.
                match unsafe { walk.inflate(&mut stream, input.wrapping_add(taken), len - taken) } {
                    Ok(step) => {
                        taken += step.taken;
                        written += step.written;
                        if step.ended || taken == len {
                            break Ok(step.ended);
                        }
                    }
                    Err(e) => break Err(e),
                }
            };
            walk.source_done(taken);
            if result? {
                return Ok(written);
            }
        }
    }

    /// To be called once, at the end.
    fn complete(&self, result: Result<usize>) {
        let errno = self.note(result);
        // Those who are told expect what holds in a bottom half.
        bottom_half::with_disabled(|| {
            // SAFETY: By the type invariant.
            unsafe { bindings::acomp_request_complete(self.request.as_ptr(), errno) };
        });
    }

    /// Notes how it has ended; returns that as the API has it.
    fn note(&self, result: Result<usize>) -> c_int {
        match result.and_then(|written| Ok(u32::try_from(written)?)) {
            Ok(written) => {
                // SAFETY: By the type invariant.
                unsafe { (*self.request.as_ptr()).dlen = written };
                0
            }
            Err(e) => e.to_errno(),
        }
    }
}

/// The pieces of a request's memory, one after the other.
///
/// # Invariants
///
/// The walk was begun; of input and output one piece each is mapped at most.
#[cfg(CONFIG_ZLIB_INFLATE = "y")]
struct Walk<'a> {
    walk: bindings::acomp_walk,
    _request: &'a Pending,
}

#[cfg(CONFIG_ZLIB_INFLATE = "y")]
impl<'a> Walk<'a> {
    fn new(request: &'a Pending) -> Result<Self> {
        // SAFETY: It is made of integers and pointers.
        let mut walk: bindings::acomp_walk = unsafe { core::mem::zeroed() };
        // SAFETY: By the type invariant of `request`.
        to_result(unsafe { bindings::acomp_walk_virt(&mut walk, request.request.as_ptr(), true) })?;
        Ok(Self {
            walk,
            _request: request,
        })
    }

    /// Maps the next piece of the input; none has no bytes.
    fn source(&mut self) -> (*const u8, usize) {
        // SAFETY: By the type invariant.
        let len = unsafe { bindings::acomp_walk_next_src(&mut self.walk) };
        // SAFETY: It is the meaning that these bytes have now.
        let address = unsafe { self.walk.__bindgen_anon_1.src.virt.addr };
        (address.cast(), len as usize)
    }

    /// So many bytes of that piece are done with, which ends its mapping.
    fn source_done(&mut self, bytes: usize) {
        // SAFETY: By the type invariant; there are at least so many bytes.
        unsafe { bindings::acomp_walk_done_src(&mut self.walk, bytes as c_int) };
    }

    /// Maps the next piece of the output; none has no bytes.
    fn dest(&mut self) -> (*mut u8, usize) {
        // SAFETY: By the type invariant.
        let room = unsafe { bindings::acomp_walk_next_dst(&mut self.walk) };
        // SAFETY: It is the meaning that these bytes have now.
        let address = unsafe { self.walk.__bindgen_anon_2.dst.virt.addr };
        (address.cast(), room as usize)
    }

    /// Goes on with a stream, into the next piece of the output.
    ///
    /// # Safety
    ///
    /// `input` must be valid for reads of `len` bytes.
    unsafe fn inflate(
        &mut self,
        stream: &mut Inflating<'_>,
        input: *const u8,
        len: usize,
    ) -> Result<Step> {
        let (output, room) = self.dest();
        // SAFETY: By the requirement of this function; this piece is mapped.
        let step = unsafe { stream.step(input, len, output, room) };
        self.dest_done(step.as_ref().map_or(0, |step| step.written));
        match step? {
            Step {
                taken: 0,
                written: 0,
                ended: false,
            } => Err(if room == 0 { ENOSPC } else { EINVAL }),
            step => Ok(step),
        }
    }

    /// So many bytes of that piece are written, which ends its mapping.
    fn dest_done(&mut self, bytes: usize) {
        // SAFETY: By the type invariant; there is room for at least so many bytes.
        unsafe { bindings::acomp_walk_done_dst(&mut self.walk, bytes as c_int) };
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.complete(Err(ECANCELED));
    }
}

// SAFETY: A request may be completed by any task.
unsafe impl Send for Pending {}

/// What the API knows of an algorithm, and the algorithm.
#[repr(C)]
struct Entry<A: Algorithm> {
    alg: Opaque<bindings::acomp_alg>,
    algorithm: A,
}

/// Where the general part of an algorithm is in it.
const BASE: usize = offset_of!(bindings::acomp_alg, __bindgen_anon_1);

impl<A: Algorithm> Entry<A> {
    fn new(algorithm: A) -> Result<KBox<Self>> {
        const { assert!(A::PRIORITY >= 0) };
        // SAFETY: It is made of integers, pointers, and functions that there may not be; and of the
        // two meanings of its union both are that.
        let mut alg: bindings::acomp_alg = unsafe { core::mem::zeroed() };
        alg.compress = Some(Self::compress);
        alg.decompress = Some(Self::decompress);
        let entry = Self {
            alg: Opaque::new(alg),
            algorithm,
        };
        let entry = KBox::new(entry, GFP_KERNEL)?;
        // SAFETY: It is there, and nobody else knows it.
        let base = unsafe { &mut *Self::base(&raw const *entry) };
        base.cra_flags = bindings::CRYPTO_ALG_ASYNC | bindings::CRYPTO_ALG_ALLOCATES_MEMORY;
        base.cra_priority = A::PRIORITY;
        base.cra_module = this_module::<A::OwnerModule>().as_ptr();
        copy_name(&mut base.cra_name, A::NAME)?;
        copy_name(&mut base.cra_driver_name, A::DRIVER_NAME)?;
        Ok(entry)
    }

    fn base(entry: *const Self) -> *mut bindings::crypto_alg {
        // The general part lies in the description, with which an entry begins.
        entry.cast_mut().wrapping_byte_add(BASE).cast()
    }

    /// # Safety
    ///
    /// As the API calls it: `request` must be valid, and one of a transform of this algorithm.
    unsafe extern "C" fn compress(request: *mut bindings::acomp_req) -> c_int {
        // SAFETY: By the requirement of this function.
        unsafe { Self::begin(request, Direction::Compress) }
    }

    /// # Safety
    ///
    /// As for [`compress`](Self::compress).
    unsafe extern "C" fn decompress(request: *mut bindings::acomp_req) -> c_int {
        // SAFETY: By the requirement of this function.
        unsafe { Self::begin(request, Direction::Decompress) }
    }

    /// # Safety
    ///
    /// As for [`compress`](Self::compress).
    unsafe fn begin(request: *mut bindings::acomp_req, direction: Direction) -> c_int {
        // INVARIANT: The API has made lists of what is named otherwise, and the request stays until
        // it is completed. If there are no lists, it is not used for more than what software does.
        let mut pending = Pending {
            // SAFETY: By the requirement of this function.
            request: unsafe { NonNull::new_unchecked(request) },
            direction,
        };
        let is_whole = !pending.src().is_null() && !pending.dst().is_null();
        let begun = match is_whole && pending.slen() != 0 && pending.dlen() != 0 {
            // SAFETY: The request is of a transform of this algorithm, whose description is in an
            // entry, which stays as long as there are transforms.
            true => unsafe { (*Self::of(request)).algorithm.begin(pending) },
            false => {
                let result = pending.do_in_software();
                Err((pending, result))
            }
        };
        match begun {
            Ok(()) => -(bindings::EINPROGRESS as c_int),
            Err((back, result)) if back.request.as_ptr() == request => {
                ManuallyDrop::new(back).note(result)
            }
            // It is another one, which ends by that; and this one is the algorithm's to end.
            Err((other, result)) => {
                other.end(result);
                -(bindings::EINPROGRESS as c_int)
            }
        }
    }

    /// # Safety
    ///
    /// As for [`compress`](Self::compress).
    unsafe fn of(request: *mut bindings::acomp_req) -> *const Self {
        // SAFETY: By the requirement of this function.
        let base = unsafe { (*(*request).base.tfm).__crt_alg };
        base.wrapping_byte_sub(BASE).cast()
    }

    /// # Safety
    ///
    /// As the API calls it: `base` must be of an entry that was leaked, of which nobody knows any
    /// more.
    unsafe extern "C" fn destroy(base: *mut bindings::crypto_alg) {
        // SAFETY: By the requirement of this function.
        drop(unsafe { KBox::from_raw(base.wrapping_byte_sub(BASE).cast::<Self>()) });
    }
}

/// Copies a name, with its end. Fails with [`EINVAL`] if it is too long.
fn copy_name(to: &mut [c_char], name: &CStr) -> Result {
    let name = name.to_bytes_with_nul();
    if name.len() > to.len() {
        return Err(EINVAL);
    }
    for (to, from) in to.iter_mut().zip(name) {
        *to = *from as c_char;
    }
    Ok(())
}

/// The registration of an algorithm: new users find it until this is dropped. It stays for those
/// who have it.
///
/// # Invariants
///
/// The entry is registered, and is freed by the API when nobody uses it any more.
pub struct Registration<A: Algorithm>(NonNull<Entry<A>>);

impl<A: Algorithm> Registration<A> {
    /// Registers an algorithm. If the kernel has self-tests, users find it when they have passed.
    /// May sleep.
    ///
    /// Fails with [`EEXIST`] if there is one of this name by the same driver, with [`EINVAL`] if a
    /// name is too long.
    pub fn new(algorithm: A) -> Result<Self> {
        let entry = Entry::new(algorithm)?;
        // SAFETY: The description is whole, and stays: if it is registered, it is leaked.
        to_result(unsafe { bindings::crypto_register_acomp(entry.alg.get()) })?;
        let entry = NonNull::from(KBox::leak(entry));
        // SAFETY: It was registered with nobody who would free it; and nobody does before this one
        // gives up his share.
        unsafe { (*Entry::base(entry.as_ptr())).cra_destroy = Some(Entry::<A>::destroy) };
        Ok(Self(entry))
    }
}

impl<A: Algorithm> Drop for Registration<A> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::crypto_unregister_acomp(self.0.as_ref().alg.get()) };
    }
}

// SAFETY: An algorithm may be unregistered by any task; what it has is `Send` and `Sync`.
unsafe impl<A: Algorithm> Send for Registration<A> {}
// SAFETY: By `&Registration` nothing can be done.
unsafe impl<A: Algorithm> Sync for Registration<A> {}
