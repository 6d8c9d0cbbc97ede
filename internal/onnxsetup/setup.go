package onnxsetup

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/attune-hpo/attune/internal/atomicfile"
)

// Setup puts the pinned library into the user's cache and returns its path. If it is
// there already, Setup does nothing.
//
// It downloads with pip or, if that fails, npm, whichever are installed. It uses their
// configuration, including mirrors and proxies, and runs no script of a package. Only a
// file with the pinned SHA-256 is kept. It is written atomically, so several processes may
// run Setup at once. When ctx ends, the download stops.
//
// The error includes the output of each client. Without a network, see [From].
func Setup(ctx context.Context) (string, error) {
	b, file, err := target()
	if err != nil {
		return "", err
	}
	if checkCached(file, b) == nil {
		return file, nil
	}
	var failed []error
	for _, s := range b.sources {
		err := s.fetch(ctx, file, b)
		if err == nil {
			return file, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return "", pkg.Errorf("setup: %w; or download %s elsewhere and run `attune setup onnxruntime --from FILE`",
		errors.Join(failed...), b.sources[0].archiveName())
}

// From is like [Setup] without a network. from is the library, or an archive that contains
// it, as the clients download it: a wheel of onnxruntime or the archive of
// onnxruntime-node, both of the pinned [Version]. Another build is refused: use the
// environment variable [Env] for that instead.
func From(from string) (string, error) {
	b, file, err := target()
	if err != nil {
		return "", err
	}
	err = b.extract(from, file)
	if err != nil {
		return "", pkg.Errorf("from %s: %w", from, err)
	}
	return file, nil
}

// target returns the build for this platform, and the path of its file.
func target() (build, string, error) {
	b, ok := builds[platform]
	if !ok {
		return b, "", pkg.Errorf("setup: no build of ONNX Runtime %s for %s is known: build it, and set %s", Version, platform, Env)
	}
	dir, err := CacheDir()
	if err != nil {
		return b, "", err
	}
	return b, filepath.Join(dir, b.file), nil
}

// archiveName describes the archive to a person who looks for it.
func (s source) archiveName() string {
	name := s.args[len(s.args)-1]
	for _, a := range s.args {
		if p, ok := strings.CutPrefix(a, "--platform="); ok {
			name += " for " + p
		}
	}
	return name
}

// fetch runs the client in a folder of its own and extracts the library.
func (s source) fetch(ctx context.Context, file string, b build) error {
	var client string
	for _, name := range s.client {
		if path, err := exec.LookPath(name); err == nil {
			client = path
			break
		}
	}
	if client == "" {
		return fmt.Errorf("%s: not installed", s.client[0])
	}
	dir, err := os.MkdirTemp("", "attune-setup-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	args := make([]string, len(s.args))
	for i, a := range s.args {
		args[i] = strings.Replace(a, "{}", dir, 1)
	}
	cmd := exec.CommandContext(ctx, client, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second // for child processes of the client
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%s: %w: %s", s.client[0], err, lastLine(said.String()))
	}
	found, err := filepath.Glob(filepath.Join(dir, "*"+s.archive))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("%s: downloaded %d files, want one *%s", s.client[0], len(found), s.archive)
	}
	if err := b.extract(found[0], file); err != nil {
		return fmt.Errorf("%s: %w", s.client[0], err)
	}
	return nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// extract copies the library out of an archive, or from a plain file, if it is the pinned one.
func (b build) extract(from, file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(file, func(w io.Writer) error {
		r, err := b.open(from)
		if err != nil {
			return err
		}
		defer r.Close()
		h := sha256.New()
		if _, err := io.Copy(io.MultiWriter(w, h), r); err != nil {
			return err
		}
		if sum := hex.EncodeToString(h.Sum(nil)); !b.pinned(sum) {
			return fmt.Errorf("not the pinned build of ONNX Runtime %s for %s: its SHA-256 is %s", Version, platform, sum)
		}
		return nil
	})
}

// open opens the library in an archive. A file that is not an archive counts as the library.
func (b build) open(from string) (io.ReadCloser, error) {
	member := func(name string) bool {
		for _, s := range b.sources {
			if s.member == name {
				return true
			}
		}
		return false
	}
	missing := fmt.Errorf("the archive contains no ONNX Runtime %s for %s", Version, platform)
	f, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	switch filepath.Ext(from) {
	case ".whl", ".zip":
		info, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		z, err := zip.NewReader(f, info.Size())
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("the archive is damaged: %w", err)
		}
		for _, m := range z.File {
			if member(m.Name) {
				r, err := m.Open()
				return readCloser{r, f}, err
			}
		}
		f.Close()
		return nil, missing
	case ".tgz", ".gz":
		z, err := gzip.NewReader(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("the archive is damaged: %w", err)
		}
		for t := tar.NewReader(z); ; {
			h, err := t.Next()
			switch {
			case errors.Is(err, io.EOF):
				f.Close()
				return nil, missing
			case err != nil:
				f.Close()
				return nil, fmt.Errorf("the archive is damaged: %w", err)
			case h.Typeflag == tar.TypeReg && member(h.Name):
				return readCloser{t, f}, nil
			}
		}
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: from, Err: errors.New("not a regular file")}
	}
	return f, nil
}

// A readCloser reads a file inside an archive.
type readCloser struct {
	io.Reader
	io.Closer
}
