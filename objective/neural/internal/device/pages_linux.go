package device

import (
	"os"
	"syscall"
	"unsafe"
)

// hugePages asks for x, if it is large, to lie in pages of 2 MB: making those is a small
// part of the work that making as much memory of 4 kB is. Where the system has none, it
// does nothing.
func hugePages(x []float32) {
	const least = 4 << 20 // bytes, as numpy has it
	if 4*len(x) < least {
		return
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x))
	page := os.Getpagesize()
	b = b[-uintptr(unsafe.Pointer(&x[0]))%uintptr(page):]
	_ = syscall.Madvise(b[:len(b)/page*page], syscall.MADV_HUGEPAGE)
}
