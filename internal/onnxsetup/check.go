package onnxsetup

import (
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Check says whether file can be loaded as ONNX Runtime, without loading it: a
// library for this processor, whole, which offers the interface that is needed. To
// load a file that was cut off ends the process by a signal, which nothing can
// catch. Damage within the file is not seen. It returns a [*fs.PathError].
func Check(file string) error {
	// Something like a pipe would never end.
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	bad := func(err error) error { return &fs.PathError{Op: "check", Path: file, Err: err} }
	if !info.Mode().IsRegular() {
		return bad(errors.New("not a regular file"))
	}
	switch runtime.GOOS {
	case "windows":
		err = checkPE(file, info.Size())
	case "darwin":
		err = checkMachO(file, info.Size())
	default:
		err = checkELF(file, info.Size())
	}
	if err != nil {
		return bad(err)
	}
	return nil
}

var (
	errTruncated = errors.New("the library is cut off or damaged")
	errForeign   = errors.New("a library, but not ONNX Runtime")
	errMachine   = errors.New("a library for another processor than this program's, " + runtime.GOARCH)
)

func checkELF(file string, size int64) error {
	f, err := elf.Open(file)
	if err != nil {
		return notALibrary(err)
	}
	defer f.Close()
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	if m, ok := machines[runtime.GOARCH]; ok && f.Machine != m {
		return errMachine
	}
	var end int64
	for _, p := range f.Progs {
		end = max(end, add(p.Off, p.Filesz))
	}
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOBITS {
			end = max(end, add(s.Offset, s.FileSize))
		}
	}
	if end > size {
		return errTruncated
	}
	symbols, err := f.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return errTruncated
	}
	for _, s := range symbols {
		if s.Name == entry && s.Section != elf.SHN_UNDEF {
			return checkVersion(s.Version)
		}
	}
	return errForeign
}

// entry is the one function that all releases offer.
const entry = "OrtGetApiBase"

// add returns a+b, or the largest number when that is beyond.
func add(a, b uint64) int64 {
	if a > math.MaxInt64/2 || b > math.MaxInt64/2 {
		return math.MaxInt64
	}
	return int64(a + b)
}

// checkVersion takes the version that the linker wrote beside the symbol, such as
// VERS_1.24.3. Builds may have none; what is too old is then refused when loaded.
func checkVersion(symbol string) error {
	version, ok := strings.CutPrefix(symbol, "VERS_")
	parts := strings.Split(version, ".")
	if !ok || len(parts) < 2 {
		return nil
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err1 == nil && err2 == nil && (major < 1 || major == 1 && minor < Oldest) {
		return fmt.Errorf("ONNX Runtime %s: want 1.%d or newer", version, Oldest)
	}
	return nil
}

func checkMachO(file string, size int64) error {
	f, err := macho.Open(file)
	if fat, fatErr := macho.OpenFat(file); fatErr == nil {
		fat.Close() // several in one: the loader picks
		return nil
	}
	if err != nil {
		return notALibrary(err)
	}
	defer f.Close()
	cpus := map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}
	if c, ok := cpus[runtime.GOARCH]; ok && f.Cpu != c {
		return errMachine
	}
	for _, l := range f.Loads {
		if s, ok := l.(*macho.Segment); ok && add(s.Offset, s.Filesz) > size {
			return errTruncated
		}
	}
	if f.Symtab != nil {
		for _, s := range f.Symtab.Syms {
			if s.Name == "_"+entry && s.Sect != 0 {
				return nil
			}
		}
	}
	return errForeign
}

func checkPE(file string, size int64) error {
	f, err := pe.Open(file)
	if err != nil {
		return notALibrary(err)
	}
	defer f.Close()
	machines := map[string]uint16{"amd64": pe.IMAGE_FILE_MACHINE_AMD64, "arm64": pe.IMAGE_FILE_MACHINE_ARM64}
	if m, ok := machines[runtime.GOARCH]; ok && f.Machine != m {
		return errMachine
	}
	for _, s := range f.Sections {
		if add(uint64(s.Offset), uint64(s.Size)) > size {
			return errTruncated
		}
	}
	return nil
}

// notALibrary keeps what the system said of the file, as that it may not be read.
func notALibrary(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return errors.New("not a library of this system, or one that is cut off")
}
