package dylib

import (
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// ErrBroken reports a file that is no whole library. Opening it could end the process.
var ErrBroken = errors.New("not a library for this system, or cut off")

// Check says whether a file is a library for this system and processor, and whole. The
// loader maps what the headers promise; where the file has ended before, the process dies
// by a signal when it reads there, which nothing can catch. Damage within the file is
// not seen. It returns a [*fs.PathError], which may wrap [ErrBroken].
func Check(path string) error {
	bad := func(err error) error { return &fs.PathError{Op: "check", Path: path, Err: err} }
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() { // something like a pipe would never end
		return bad(errors.New("not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	format := sizeELF
	switch runtime.GOOS {
	case "windows":
		format = sizePE
	case "darwin":
		format = sizeMachO
	}
	size, fits, err := format(f)
	switch p := (*fs.PathError)(nil); {
	case errors.As(err, &p): // the system's, and none of the format
		return err
	case err != nil:
		return bad(ErrBroken)
	case !fits:
		return bad(fmt.Errorf("a library for another processor than this program, which runs on %s", runtime.GOARCH))
	case size > uint64(info.Size()):
		return bad(fmt.Errorf("%w: it has %d bytes, fewer than %d", ErrBroken, info.Size(), size))
	}
	return nil
}

// sizeELF returns how long a library is at least, by the segments that are mapped, and
// whether it is for this processor. That the table of sections is there, which is the
// last of the file, NewFile sees to.
func sizeELF(file *os.File) (size uint64, fits bool, err error) {
	f, err := elf.NewFile(file)
	if err != nil {
		return 0, false, err
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			size = max(size, p.Off+p.Filesz) // each of 63 bits, says NewFile
		}
	}
	want, known := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]
	return size, !known || f.Machine == want, nil
}

func sizeMachO(file *os.File) (size uint64, fits bool, err error) {
	if _, err := macho.NewFatFile(file); err == nil { // several in one: the loader picks
		return 0, true, nil
	}
	f, err := macho.NewFile(file)
	if err != nil {
		return 0, false, err
	}
	for _, l := range f.Loads {
		if s, ok := l.(*macho.Segment); ok {
			size = max(size, s.Offset+s.Filesz)
		}
	}
	want, known := map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}[runtime.GOARCH]
	return size, !known || f.Cpu == want, nil
}

func sizePE(file *os.File) (size uint64, fits bool, err error) {
	f, err := pe.NewFile(file)
	if err != nil {
		return 0, false, err
	}
	for _, s := range f.Sections {
		size = max(size, uint64(s.Offset)+uint64(s.Size))
	}
	want, known := map[string]uint16{"amd64": pe.IMAGE_FILE_MACHINE_AMD64, "arm64": pe.IMAGE_FILE_MACHINE_ARM64}[runtime.GOARCH]
	return size, !known || f.Machine == want, nil
}
