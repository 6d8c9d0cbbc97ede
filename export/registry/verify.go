package registry

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// check returns the damage in the files of a version.
func (v Version) check() error {
	var errs []error
	for _, f := range v.Files {
		path := filepath.Join(v.dir, f.Name)
		if err := checkFile(path, f); err != nil {
			errs = append(errs, &fs.PathError{Op: "verify", Path: path, Err: fmt.Errorf("%w: %w", ErrDamaged, err)})
		}
	}
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		errs = append(errs, err)
	}
	for _, e := range entries {
		if _, err := v.file(e.Name()); err != nil && e.Name() != manifest && e.Name() != sumsFile {
			errs = append(errs, &fs.PathError{Op: "verify", Path: filepath.Join(v.dir, e.Name()), Err: fmt.Errorf("%w: the registry did not write it", ErrDamaged)})
		}
	}
	return errors.Join(errs...)
}

func checkFile(path string, want File) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return errors.Unwrap(err)
	case !info.Mode().IsRegular():
		return errors.New("not a regular file")
	case info.Size() != want.Size:
		return fmt.Errorf("%d bytes, want %d", info.Size(), want.Size)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != want.SHA256 {
		return errors.New("its SHA-256 differs")
	}
	return nil
}

// Verify reads all files and returns the damage, file by file: each error is a
// [*fs.PathError] that wraps [ErrDamaged] and names the file. err says what kept Verify from
// checking. The leftovers of a killed process are not damage. Verify may miss versions that
// are added or deleted meanwhile.
func (r *Registry) Verify(ctx context.Context) (damage []error, err error) {
	names, err := r.Names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		s, err := r.state(name)
		if err != nil {
			damage = append(damage, err)
		}
		if _, err := r.comparisons(name); err != nil {
			damage = append(damage, err)
		}
		numbers, err := r.numbers(name)
		if err != nil {
			return damage, failed("verify", name, 0, err)
		}
		if n := len(s.Promoted); n > 0 && !slices.Contains(numbers, s.Promoted[n-1].Number) {
			path := filepath.Join(r.dir, name, folder(s.Promoted[n-1].Number))
			damage = append(damage, &fs.PathError{Op: "verify", Path: path, Err: fmt.Errorf("%w: it is live, but missing", ErrDamaged)})
		}
		for _, number := range numbers {
			if ctx.Err() != nil {
				return damage, context.Cause(ctx)
			}
			v, err := r.version(name, number)
			if err == nil {
				err = v.check()
			}
			if _, gone := os.Stat(filepath.Join(r.dir, name, folder(number))); gone != nil {
				continue // deleted meanwhile
			}
			damage = append(damage, split(err)...)
		}
	}
	slices.SortStableFunc(damage, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return damage, nil
}

// split returns the errors inside a joined error.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
