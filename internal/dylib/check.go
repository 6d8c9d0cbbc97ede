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

// ErrBroken reports a file that is not a complete library. Opening it could crash the process.
var ErrBroken = errors.New("not a library for this system, or cut off")

// Check checks that a file is a complete library for this system and processor. The loader
// maps what the headers promise. If the file is shorter, reading there kills the process with
// a signal that cannot be caught. Check does not detect damage inside the file. It returns a
// [*fs.PathError], which may wrap [ErrBroken].
func Check(path string) error {
	bad := func(err error) error { return &fs.PathError{Op: "check", Path: path, Err: err} }
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() { // a pipe, for example, would never end
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
	case errors.As(err, &p): // an error of the system, not of the format
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

// sizeELF returns the minimum size of a library, from the segments that are mapped, and
// whether it is for this processor. NewFile checks that the section table, at the end of the
// file, is there.
func sizeELF(file *os.File) (size uint64, fits bool, err error) {
	f, err := elf.NewFile(file)
	if err != nil {
		return 0, false, err
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			size = max(size, p.Off+p.Filesz) // NewFile checks that each has at most 63 bits
		}
	}
	want, known := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]
	return size, !known || f.Machine == want, nil
}

func sizeMachO(file *os.File) (size uint64, fits bool, err error) {
	if _, err := macho.NewFatFile(file); err == nil { // a universal binary: the loader picks
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
