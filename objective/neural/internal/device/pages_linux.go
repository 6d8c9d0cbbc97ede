package device

import (
	"os"
	"syscall"
	"unsafe"
)

// hugePages asks the system to put x, if it is large, into pages of 2 MB, which take far
// less work to create than the same memory in pages of 4 kB. If the system has none, it
// does nothing.
func hugePages(x []float32) {
	const least = 4 << 20 // bytes, like numpy
	if 4*len(x) < least {
		return
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x))
	page := os.Getpagesize()
	b = b[-uintptr(unsafe.Pointer(&x[0]))%uintptr(page):]
	_ = syscall.Madvise(b[:len(b)/page*page], syscall.MADV_HUGEPAGE)
}
