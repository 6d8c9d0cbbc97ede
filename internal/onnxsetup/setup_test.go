package onnxsetup

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const library = "as good as a library"

// fake pins a library of a few bytes for this platform, in an empty cache, without
// clients. It returns the file that Setup makes.
func fake(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	for _, env := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
		t.Setenv(env, home)
	}
	for _, env := range []string{Env, "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH"} {
		t.Setenv(env, "")
	}
	sum := sha256.Sum256([]byte(library))
	pinned := hex.EncodeToString(sum[:])
	b, had := builds[platform]
	builds[platform] = build{names()[0], []source{pip("any", "lib", pinned), npm("lib", pinned)}}
	t.Cleanup(func() {
		if builds[platform] = b; !had {
			delete(builds, platform)
		}
	})
	_, file, err := target()
	require.NoError(t, err)
	return file
}

// write writes a file and returns its path.
func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, data, 0o755))
	return file
}

func wheel(t *testing.T, member, data string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(member)
	require.NoError(t, err)
	_, err = w.Write([]byte(data))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func tarball(t *testing.T, member, data string) []byte {
	t.Helper()
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	w := tar.NewWriter(g)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: member, Size: int64(len(data)), Mode: 0o644, Typeflag: tar.TypeReg}))
	_, err := w.Write([]byte(data))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, g.Close())
	return b.Bytes()
}

func TestFrom(t *testing.T) {
	const inWheel, inTarball = "onnxruntime/capi/lib", "package/bin/napi-v6/lib"
	whole := tarball(t, inTarball, library)
	for name, c := range map[string]struct {
		file string
		data []byte
		err  string
	}{
		"the library itself":       {"lib.so", []byte(library), ""},
		"a wheel":                  {"a.whl", wheel(t, inWheel, library), ""},
		"a tarball":                {"a.tgz", whole, ""},
		"another library":          {"lib.so", []byte("another"), "not the pinned build of ONNX Runtime " + Version},
		"nothing":                  {"lib.so", nil, "not the pinned build"},
		"another build in a wheel": {"a.whl", wheel(t, inWheel, library+"!"), "not the pinned build"},
		"a wheel without it":       {"a.whl", wheel(t, "onnxruntime/capi/other", library), "the archive contains no ONNX Runtime"},
		"a tarball without it":     {"a.tgz", tarball(t, "../lib", library), "the archive contains no ONNX Runtime"},
		"a tarball cut off":        {"a.tgz", whole[:len(whole)/2], "unexpected EOF"},
		"no wheel":                 {"a.whl", []byte(library), "the archive is damaged"},
		"no tarball":               {"a.tgz", []byte(library), "the archive is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			file := fake(t)
			got, err := From(write(t, c.file, c.data))
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.NoFileExists(t, file)
				left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*"))
				require.NoError(t, err)
				require.Empty(t, left, "nothing half-written")
				return
			}
			require.NoError(t, err)
			require.Equal(t, file, got)
			found, err := Find("")
			require.NoError(t, err)
			require.Equal(t, file, found)
		})
	}
	fake(t)
	_, err := From(filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = From(t.TempDir())
	require.ErrorContains(t, err, "not a regular file")
}

// client puts a program with the given name on the PATH.
func client(t *testing.T, name, script string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the clients of this test are shell scripts")
	}
	file := write(t, name, []byte("#!/bin/sh\n"+script+"\n"))
	t.Setenv("PATH", filepath.Dir(file)+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

func TestSetup(t *testing.T) {
	t.Run("downloads once", func(t *testing.T) {
		file := fake(t)
		count := filepath.Join(t.TempDir(), "count")
		from := write(t, "a.whl", wheel(t, "onnxruntime/capi/lib", library))
		client(t, "python3", `echo run >>`+count+`; for a; do case "$a" in --dest=*) /bin/cp `+from+` "${a#--dest=}/x.whl";; esac; done`)
		for range 2 {
			got, err := Setup(t.Context())
			require.NoError(t, err)
			require.Equal(t, file, got)
		}
		runs, err := os.ReadFile(count)
		require.NoError(t, err)
		require.Equal(t, "run\n", string(runs))
	})
	t.Run("the second client where the first fails", func(t *testing.T) {
		file := fake(t)
		from := write(t, "a.tgz", tarball(t, "package/bin/napi-v6/lib", library))
		client(t, "python3", `echo "No module named pip" >&2; exit 1`)
		client(t, "npm", `for a; do case "$a" in --pack-destination=*) /bin/cp `+from+` "${a#--pack-destination=}/x.tgz";; esac; done`)
		got, err := Setup(t.Context())
		require.NoError(t, err)
		require.Equal(t, file, got)
	})
	t.Run("a cache that is damaged", func(t *testing.T) {
		file := fake(t)
		from := write(t, "lib", []byte(library))
		_, err := From(from)
		require.NoError(t, err)
		_, err = Find("")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, []byte(strings.ToUpper(library)), 0o644))
		require.NoError(t, os.Chtimes(file, time.Time{}, time.Unix(1e9, 0)))
		_, err = Find("")
		require.ErrorIs(t, err, ErrMissing)
		require.ErrorContains(t, err, "not the file that was put there")
		_, err = From(from)
		require.NoError(t, err)
		_, err = Find("")
		require.NoError(t, err)
	})
	t.Run("no client", func(t *testing.T) {
		fake(t)
		_, err := Setup(t.Context())
		require.ErrorContains(t, err, "python3: not installed")
		require.ErrorContains(t, err, "npm: not installed")
		require.ErrorContains(t, err, "attune setup onnxruntime --from FILE")
	})
	t.Run("another file than the pinned one", func(t *testing.T) {
		file := fake(t)
		from := write(t, "a.whl", wheel(t, "onnxruntime/capi/lib", "forged"))
		client(t, "python3", `for a; do case "$a" in --dest=*) /bin/cp `+from+` "${a#--dest=}/x.whl";; esac; done`)
		_, err := Setup(t.Context())
		require.ErrorContains(t, err, "not the pinned build")
		require.NoFileExists(t, file)
	})
	t.Run("stopped", func(t *testing.T) {
		fake(t)
		ctx, cancel := context.WithCancel(t.Context())
		started := filepath.Join(t.TempDir(), "started")
		client(t, "python3", `: >`+started+`; exec /bin/sleep 60`)
		go func() {
			for {
				if _, err := os.Stat(started); err == nil {
					cancel()
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		_, err := Setup(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestFindNamed(t *testing.T) {
	fake(t)
	junk := write(t, "junk.so", []byte("junk"))
	_, err := Find(junk)
	require.ErrorContains(t, err, "the library asked for: check "+junk+": not a library for this system, or cut off")
	_, err = Find(filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Find(t.TempDir())
	require.ErrorContains(t, err, "not a regular file")
	t.Setenv(Env, junk)
	_, err = Find("")
	require.ErrorContains(t, err, Env+": check "+junk)
}

func TestFindPassesOver(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("LD_LIBRARY_PATH is Linux's")
	}
	fake(t)
	junk := filepath.Join(t.TempDir(), "libonnxruntime.so")
	require.NoError(t, os.WriteFile(junk, []byte("junk"), 0o644))
	t.Setenv("LD_LIBRARY_PATH", "relative:"+filepath.Dir(junk))
	_, err := Find("")
	if err == nil {
		t.Skip("this machine has ONNX Runtime in a system folder")
	}
	require.ErrorIs(t, err, ErrMissing)
	require.ErrorContains(t, err, "run `attune setup onnxruntime`, or set ONNXRUNTIME_SHARED_LIBRARY_PATH")
	require.ErrorContains(t, err, "passed over: check "+junk)
}

func TestCheckForeign(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	err = Check(exe)
	require.Error(t, err)
	if runtime.GOOS == "linux" {
		require.ErrorIs(t, err, errForeign)
	}
}

func TestCheckVersion(t *testing.T) {
	for symbol, want := range map[string]string{
		"VERS_1.24.3": "", "VERS_1.30.0": "", "VERS_2.0.0": "", "": "", "GLIBC_2.17": "", "VERS_x.y": "",
		"VERS_1.20.1": "ONNX Runtime 1.20.1: want 1.24 or newer",
		"VERS_0.5.0":  "ONNX Runtime 0.5.0: want 1.24 or newer",
	} {
		err := checkVersion(symbol)
		if want == "" {
			assert.NoError(t, err, symbol)
		} else {
			assert.EqualError(t, err, want)
		}
	}
}

// The matrix names the binding's version in go.mod.
func TestBinding(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	require.Contains(t, string(mod), "github.com/yalue/onnxruntime_go "+binding)
}

func TestBuilds(t *testing.T) {
	for platform, b := range builds {
		for _, s := range b.sources {
			assert.Len(t, s.sha256, 64, platform)
			assert.Contains(t, s.args[len(s.args)-1], Version, platform)
		}
	}
}
