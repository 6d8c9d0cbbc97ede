package onnxsetup

import (
	"debug/elf"
	"debug/macho"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/internal/dylib"
)

// Check checks, without loading it, that file can be loaded as ONNX Runtime: that it is a
// complete library for this processor (see [dylib.Check]), with the required interface. It
// returns a [*fs.PathError].
func Check(file string) error {
	if err := dylib.Check(file); err != nil {
		return err
	}
	offers := offersELF
	switch runtime.GOOS {
	case "windows": // debug/pe does not read the exports of a library
		return nil
	case "darwin":
		offers = offersMachO
	}
	if err := offers(file); err != nil {
		return &fs.PathError{Op: "check", Path: file, Err: err}
	}
	return nil
}

var errForeign = errors.New("a library, but not ONNX Runtime")

// entry is the one function that all releases export.
const entry = "OrtGetApiBase"

func offersELF(file string) error {
	f, err := elf.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return dylib.ErrBroken
	}
	for _, s := range symbols {
		if s.Name == entry && s.Section != elf.SHN_UNDEF {
			return checkVersion(s.Version)
		}
	}
	return errForeign
}

func offersMachO(file string) error {
	f, err := macho.Open(file)
	if err != nil { // a universal binary
		return nil
	}
	defer f.Close()
	is := func(s macho.Symbol) bool { return s.Name == "_"+entry && s.Sect != 0 }
	if f.Symtab == nil || !slices.ContainsFunc(f.Symtab.Syms, is) {
		return errForeign
	}
	return nil
}

// checkVersion checks the version that the linker wrote beside the symbol, such as
// VERS_1.24.3. Builds may lack it; loading then refuses a library that is too old.
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
