package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/attune-hpo/attune/internal/atomicfile"
	"github.com/attune-hpo/attune/objective/parquet"
)

// checkFile fails if the file of a flag cannot be written. It is called before the work that
// produces the content.
func checkFile(flag, file string) error {
	if file == "" {
		return nil
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return fmt.Errorf("--%s %s: a folder: want a file", flag, file)
	}
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return fmt.Errorf("--%s %s: there is no folder %s", flag, file, filepath.Dir(file))
	}
	return nil
}

// regular opens a file that can be read more than once. Its errors do not name the file.
func regular(file string) (*os.File, error) {
	info, err := os.Stat(file)
	path := new(fs.PathError)
	switch {
	case errors.As(err, &path):
		return nil, path.Err
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("a folder: want a file")
	case !info.Mode().IsRegular():
		return nil, errors.New("a device or a pipe: want a file")
	}
	return os.Open(file)
}

// output writes to a file, or to standard output if file is empty.
func output(stdout io.Writer, file string, write func(io.Writer) error) error {
	if file == "" {
		return write(stdout)
	}
	return writeFile("output", file, write)
}

// writeFile writes the file of a flag atomically.
func writeFile(flag, file string, write func(io.Writer) error) error {
	err := atomicfile.Write(file, write)
	if err == nil {
		return nil
	}
	// Do not show people the temporary name of the file.
	if path := new(fs.PathError); errors.As(err, &path) && strings.HasPrefix(filepath.Base(path.Path), "."+filepath.Base(file)+".") {
		err = path.Err
	}
	return fmt.Errorf("--%s %s: %w", flag, file, err)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// short returns the path of a file relative to the current folder, if it is inside.
func short(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// writeJSON writes v as JSON for programs and people.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// stdin is the name of standard input.
const stdin = "-"

// readStdin returns all of standard input, which may be read more than once.
var readStdin = sync.OnceValues(func() ([]byte, error) { return io.ReadAll(os.Stdin) })

// openData opens a file of data, as text: CSV, or Parquet. Its errors do not name the file.
func openData(file string) (io.ReadCloser, error) {
	if file != stdin {
		f, err := regular(file)
		if err != nil {
			return nil, err
		}
		f.Close()
		return parquet.Open(file)
	}
	data, err := readStdin()
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(data, []byte(parquet.Magic)) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}
	r, err := parquet.NewReader(bytes.NewReader(data), int64(len(data)))
	return io.NopCloser(r), err
}

// kept returns the path of a file of data as a study keeps it. That of standard input cannot be
// read again.
func kept(file string) (string, error) {
	if file == stdin {
		return "standard input", nil
	}
	return filepath.Abs(file)
}
