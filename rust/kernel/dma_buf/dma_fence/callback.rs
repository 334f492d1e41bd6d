// SPDX-License-Identifier: GPL-2.0

//! What is to happen when a fence is signalled.

use super::Fence;
use crate::{
    alloc::Flags,
    bindings,
    prelude::*,
    sync::aref::ARef,
    types::Opaque, //
};

/// What a fence has in its list, and behind it the function that it stands for.
#[repr(C)]
struct Node<F: ?Sized> {
    cb: Opaque<bindings::dma_fence_cb>,
    f: F,
}

/// A function to be called when some fence is signalled, with the result of its work.
///
/// It is allocated apart from its registration, which then cannot fail for want of memory.
///
/// The function is called in any context, hard interrupts among them, and with the fence's lock
/// held. It must therefore not sleep, not signal other fences, not ask the fence for its
/// [`result`](Fence::result), and not drop a [`FenceCallbackRegistration`] of the same fence: queue
/// work for that.
///
/// What the function has captured is not dropped there, but with the callback or its
/// [`FenceCallbackRegistration`], which so end where that may be: with a
/// [`Vmap`](crate::dma_buf::Vmap) in it, where one may sleep.
///
/// # Invariants
///
/// `node` is a `Node<F>`, in the list of no fence but that of its [`FenceCallbackRegistration`],
/// and `func` is `run::<F>`.
///
/// # Examples
///
/// ```
/// use kernel::dma_buf::dma_fence::{FenceCallback, Fence, FenceCallbackRegistration};
/// use kernel::prelude::*;
/// use kernel::sync::{Arc, Completion};
///
/// /// A job that starts after others.
/// struct Job {
///     ready: Arc<Completion>,
///     after: Option<FenceCallbackRegistration>,
/// }
///
/// impl Job {
///     fn start_after(&mut self, fence: &Fence) -> Result {
///         let ready = self.ready.clone();
///         let callback = FenceCallback::new(move |_result| ready.complete_all(), GFP_KERNEL)?;
///
///         match callback.register(fence) {
///             Ok(watch) => self.after = Some(watch),
///             Err(_already_signaled) => self.ready.complete_all(),
///         }
///         Ok(())
///     }
/// }
/// ```
pub struct FenceCallback {
    node: Pin<KBox<Node<dyn Send>>>,
    func: unsafe extern "C" fn(*mut bindings::dma_fence, *mut bindings::dma_fence_cb),
}

impl FenceCallback {
    /// Allocates a callback.
    ///
    /// Fails with [`ENOMEM`].
    pub fn new<F>(f: F, flags: Flags) -> Result<Self>
    where
        F: Fn(Result) + Send + 'static,
    {
        let node: KBox<Node<dyn Send>> = KBox::new(
            Node {
                cb: Opaque::uninit(),
                f,
            },
            flags,
        )?;
        // INVARIANT: Both are of this `F`.
        Ok(Self {
            node: node.into(),
            func: run::<F>,
        })
    }

    /// Lets the function be called when `fence` is signalled.
    ///
    /// That may be before this returns. If the fence is signalled already the function isn't
    /// called, and the callback comes back as the error.
    ///
    /// Does not allocate. Callable in any context but NMI, but not with a lock held that the
    /// function takes.
    pub fn register(self, fence: &Fence) -> Result<FenceCallbackRegistration, Self> {
        // SAFETY: Both are valid, and by the type invariant the node is in no list, since there is
        // no `FenceCallbackRegistration`. It stays where it is until `FenceCallbackRegistration`
        // has taken it out of the fence's list. `func` fits it by the type invariant.
        let ret = unsafe {
            bindings::dma_fence_add_callback(fence.as_raw(), self.as_raw(), Some(self.func))
        };
        match ret {
            // INVARIANT: It was registered just now.
            0 => Ok(FenceCallbackRegistration {
                callback: self,
                fence: fence.into(),
            }),
            _ => Err(self),
        }
    }

    /// The C object, from which `run` gets at the whole node.
    fn as_raw(&self) -> *mut bindings::dma_fence_cb {
        let node: *const Node<dyn Send> = &*self.node;
        node.cast::<bindings::dma_fence_cb>().cast_mut()
    }
}

/// Runs the function of a callback.
///
/// # Safety
///
/// To be called only by `fence` as it is signalled, with the `cb` of a `Node<F>`.
unsafe extern "C" fn run<F: Fn(Result)>(
    fence: *mut bindings::dma_fence,
    cb: *mut bindings::dma_fence_cb,
) {
    let node = cb.cast::<Node<F>>();
    // SAFETY: `cb` begins a node. Only the fence gets at the function, once, as long as the node is
    // registered with it; `FenceCallbackRegistration` waits for that to be over.
    let f = unsafe { &(*node).f };
    // SAFETY: The fence is referenced by `FenceCallbackRegistration` or the caller of `register()`.
    // It is signalled, and its lock is held.
    let result = unsafe { Fence::from_raw(fence).result_of_signaled() };
    f(result);
}

// SAFETY: The function is `Send`, and nothing of the rest belongs to a task.
unsafe impl Send for FenceCallback {}
// SAFETY: A shared `FenceCallback` gives access to nothing.
unsafe impl Sync for FenceCallback {}

/// A callback that is registered with a fence.
///
/// Dropping it takes the callback back: once that is done, the function has either run to its end
/// or will never run. Drop it in any context but NMI where what the function has captured may be
/// dropped, not in a function that the same fence calls, and not with a lock held that the function
/// takes.
///
/// To forget one is to keep for ever what its function has captured, the fence, and the fence's
/// list with it. Where what is captured leads back to the watch, as from a job to the fence that it
/// waits for, somebody has to take it out and drop it: otherwise they hold each other for good, and
/// the code that the fence will call goes with its module. See [`module_ref`](crate::module_ref).
///
/// # Invariants
///
/// `callback` was registered with `fence`.
pub struct FenceCallbackRegistration {
    callback: FenceCallback,
    fence: ARef<Fence>,
}

impl Drop for FenceCallbackRegistration {
    fn drop(&mut self) {
        // The fence calls with its lock held, which this takes, too: no call is under way
        // afterwards.
        //
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_remove_callback(self.fence.as_raw(), self.callback.as_raw()) };
    }
}
