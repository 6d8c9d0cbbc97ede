package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/registry"
)

// child is the environment variable that makes the test binary put and promote
// versions in the folder that it names, until it is killed.
const child = "ATTUNE_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(child); dir != "" {
		fmt.Println(work(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func work(dir string) error {
	r, err := registry.Open(dir)
	if err != nil {
		return err
	}
	fmt.Println("started")
	for i := 0; ; i++ {
		v, err := r.Put(context.Background(), "demand", draft(bytes.Repeat([]byte{byte(i)}, 50_000)))
		if err != nil {
			return err
		}
		if err := r.Promote(context.Background(), "demand", v.Number); err != nil {
			return err
		}
		// A promotion that was reported is durable.
		fmt.Println("promoted", v.Number)
		if i%3 == 2 {
			if _, err := r.Rollback(context.Background(), "demand"); err != nil {
				return err
			}
			if err := r.Delete(context.Background(), "demand", v.Number); err != nil && !errors.Is(err, registry.ErrLive) {
				return err
			}
		}
	}
}

func draft(model []byte) registry.Draft {
	return registry.Draft{
		Files: map[string]io.Reader{registry.ONNX: bytes.NewReader(model), registry.Native: strings.NewReader(`{"trees":[]}`)},
		Note:  "trial 17", Meta: map[string]string{"study": "demand", "trial": "17"},
	}
}

func open(t *testing.T) (*registry.Registry, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "models [1]")
	r, err := registry.Open(dir)
	require.NoError(t, err)
	return r, dir
}

func put(t *testing.T, r *registry.Registry, model string) registry.Version {
	t.Helper()
	v, err := r.Put(t.Context(), "demand", draft([]byte(model)))
	require.NoError(t, err)
	return v
}

func requireSound(t *testing.T, r *registry.Registry) {
	t.Helper()
	damage, err := r.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, damage)
}

func TestVersions(t *testing.T) {
	r, dir := open(t)
	ctx := t.Context()
	names, err := r.Names()
	require.NoError(t, err)
	require.Empty(t, names)
	requireSound(t, r)

	a, b := put(t, r, "a"), put(t, r, "b")
	require.Equal(t, []int{1, 2}, []int{a.Number, b.Number})
	names, err = r.Names()
	require.NoError(t, err)
	require.Equal(t, []string{"demand"}, names)
	all, err := r.Versions("demand")
	require.NoError(t, err)
	require.Equal(t, []registry.Version{a, b}, all)
	require.Equal(t, "trial 17", all[0].Note)
	require.Equal(t, "17", all[0].Meta["trial"])
	require.WithinDuration(t, time.Now(), all[0].Created, time.Minute)
	require.Equal(t, []string{"model.onnx", "native.json"}, []string{a.Files[0].Name, a.Files[1].Name})
	require.Equal(t, int64(1), a.Files[0].Size)

	data, err := a.Read(registry.ONNX)
	require.NoError(t, err)
	require.Equal(t, "a", string(data))
	path, err := b.Path(registry.Native)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "demand", "000002", "native.json"), path)
	require.FileExists(t, path)
	for _, name := range []string{"other", "", "../000002/model.onnx", "manifest.json", "SHA256SUMS"} {
		_, err = a.Path(name)
		require.ErrorIs(t, err, registry.ErrNotExist)
		_, err = a.Read(name)
		require.ErrorIs(t, err, registry.ErrNotExist)
	}

	// Promoting and rolling back.
	_, err = r.Live("demand")
	require.ErrorIs(t, err, registry.ErrNotExist)
	_, err = r.Rollback(ctx, "demand")
	require.ErrorIs(t, err, registry.ErrNotExist)
	c := put(t, r, "c")
	for _, n := range []int{1, 2, 2, 3, 1} {
		require.NoError(t, r.Promote(ctx, "demand", n))
		live, err := r.Live("demand")
		require.NoError(t, err)
		require.Equal(t, n, live.Number)
	}
	history, err := r.History("demand")
	require.NoError(t, err)
	require.Len(t, history, 4, "2 was live already")
	require.ErrorIs(t, r.Delete(ctx, "demand", 1), registry.ErrLive)
	back, err := r.Rollback(ctx, "demand")
	require.NoError(t, err)
	require.Equal(t, c, back)
	require.NoError(t, r.Delete(ctx, "demand", 2))
	back, err = r.Rollback(ctx, "demand")
	require.NoError(t, err)
	require.Equal(t, a, back, "2 was deleted")
	_, err = r.Rollback(ctx, "demand")
	require.ErrorContains(t, err, "registry: roll back demand: no version was live before")
	live, err := r.Live("demand")
	require.NoError(t, err)
	require.Equal(t, a, live)

	// A number is not reused.
	require.NoError(t, r.Delete(ctx, "demand", 3))
	require.ErrorIs(t, r.Delete(ctx, "demand", 3), registry.ErrNotExist)
	require.Equal(t, 4, put(t, r, "d").Number)
	_, err = r.Version("demand", 3)
	require.ErrorIs(t, err, registry.ErrNotExist)
	require.ErrorContains(t, r.Promote(ctx, "demand", 3), "registry: promote demand/3: ")
	requireSound(t, r)

	again, err := registry.Open(dir)
	require.NoError(t, err)
	live, err = again.Live("demand")
	require.NoError(t, err)
	require.Equal(t, a, live)
}

// A server replaces what it recorded; others' records stay, and the oldest are dropped.
func TestComparisons(t *testing.T) {
	dir := t.TempDir()
	r, err := registry.Open(dir)
	require.NoError(t, err)
	c := registry.Comparison{Live: 1, Shadow: 2}
	require.ErrorIs(t, r.Compared(t.Context(), "demand", c), registry.ErrNotExist, "there is no such model")
	require.ErrorIs(t, r.Compared(t.Context(), "No Name", c), registry.ErrName)
	_, err = r.Comparisons("No Name")
	require.ErrorIs(t, err, registry.ErrName)
	_, err = r.Put(t.Context(), "demand", draft([]byte("a")))
	require.NoError(t, err)
	all, err := r.Comparisons("demand")
	require.NoError(t, err)
	assert.Empty(t, all)

	c.Since = time.Date(2026, 3, 1, 9, 0, 0, 1, time.UTC)
	other := c
	other.Since = c.Since.Add(time.Minute)
	for i := range 3 {
		c.Rows, c.Until = uint64(10*i), c.Since.Add(time.Duration(i)*time.Hour)
		require.NoError(t, r.Compared(t.Context(), "demand", c))
		require.NoError(t, r.Compared(t.Context(), "demand", other))
	}
	all, err = r.Comparisons("demand")
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, registry.Comparison{Live: 1, Shadow: 2, Rows: 20, Since: c.Since.Truncate(time.Millisecond), Until: c.Until.Truncate(time.Millisecond)}, all[1])
	for i := range 60 {
		other.Live, other.Until = 10+i, c.Until.Add(time.Duration(1+i)*time.Second)
		require.NoError(t, r.Compared(t.Context(), "demand", other))
	}
	all, err = r.Comparisons("demand")
	require.NoError(t, err)
	require.Len(t, all, 50)
	assert.Equal(t, 69, all[49].Live)

	damage, err := r.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, damage)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "demand", "compared"), []byte("[]\nno checksum\n"), 0o644))
	_, err = r.Comparisons("demand")
	require.ErrorIs(t, err, registry.ErrDamaged)
	damage, err = r.Verify(t.Context())
	require.NoError(t, err)
	require.Len(t, damage, 1)
}

func TestNames(t *testing.T) {
	r, dir := open(t)
	ctx := t.Context()
	bad := []string{
		"", ".", "..", "../x", "a/b", `a\b`, "/etc", "a\x00b", "A", "ä", "a b", "-a", ".tmp-x", "a.", "con", "nul.txt", "lpt1", "a:b", "a\n",
		strings.Repeat("a", 101),
	}
	for _, name := range bad {
		_, err := r.Put(ctx, name, draft(nil))
		require.ErrorIs(t, err, registry.ErrName, "%q", name)
		d := draft(nil)
		d.Files[name] = strings.NewReader("x")
		_, err = r.Put(ctx, "demand", d)
		require.ErrorIs(t, err, registry.ErrName, "%q", name)
		_, err = r.Version(name, 1)
		require.ErrorIs(t, err, registry.ErrName)
		_, err = r.Versions(name)
		require.ErrorIs(t, err, registry.ErrName)
		_, err = r.Live(name)
		require.ErrorIs(t, err, registry.ErrName)
		_, err = r.History(name)
		require.ErrorIs(t, err, registry.ErrName)
		require.ErrorIs(t, r.Promote(ctx, name, 1), registry.ErrName)
		require.ErrorIs(t, r.Delete(ctx, name, 1), registry.ErrName)
		_, err = r.Rollback(ctx, name)
		require.ErrorIs(t, err, registry.ErrName)
	}
	d := draft(nil)
	d.Files["manifest.json"] = strings.NewReader("x")
	_, err := r.Put(ctx, "demand", d)
	require.ErrorContains(t, err, "the registry itself writes a file of that name")
	_, err = r.Put(ctx, "demand", registry.Draft{})
	require.ErrorContains(t, err, "it has no files")
	for _, name := range []string{"a", "walmart-dept.7_v2", "0", strings.Repeat("a", 100), "console"} {
		_, err = r.Put(ctx, name, draft(nil))
		require.NoError(t, err, name)
	}
	for _, n := range []int{0, -1, 2, 1 << 40} {
		_, err = r.Version("a", n)
		require.ErrorIs(t, err, registry.ErrNotExist)
		require.ErrorIs(t, r.Promote(ctx, "a", n), registry.ErrNotExist)
		require.ErrorIs(t, r.Delete(ctx, "a", n), registry.ErrNotExist)
	}
	require.ErrorIs(t, r.Promote(ctx, "absent", 1), registry.ErrNotExist)
	outside, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	require.Len(t, outside, 1)
}

// A Put that fails midway, as on a full disk, leaves nothing.
func TestPutFails(t *testing.T) {
	r, dir := open(t)
	broken := errors.New("broken")
	ctx, cancel := context.WithCancelCause(t.Context())
	for name, from := range map[string]io.Reader{
		"a reader that fails": io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)),
		"stopped": io.MultiReader(strings.NewReader("abc"), readerFunc(func([]byte) (int, error) {
			cancel(broken)
			return 1, nil
		})),
	} {
		t.Run(name, func(t *testing.T) {
			d := draft([]byte("m"))
			d.Files["last"] = from
			_, err := r.Put(ctx, "demand", d)
			require.ErrorIs(t, err, broken)
			entries, err := os.ReadDir(filepath.Join(dir, "demand"))
			if err == nil {
				require.Empty(t, entries)
			}
		})
	}
	d := draft(nil)
	d.Files["nil"] = nil
	_, err := r.Put(t.Context(), "demand", d)
	require.ErrorContains(t, err, "a nil reader")
	require.Equal(t, 1, put(t, r, "a").Number)
	_, err = registry.Open(filepath.Join(dir, "lock", "sub"))
	require.ErrorContains(t, err, "registry: open")
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Verify detects a change of any byte of any file; the test tries every fifth.
func TestVerify(t *testing.T) {
	r, dir := open(t)
	put(t, r, "a")
	put(t, r, "b")
	require.NoError(t, r.Promote(t.Context(), "demand", 1))
	require.NoError(t, r.Promote(t.Context(), "demand", 2))
	files := map[string][]byte{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != "lock" {
			files[path], err = os.ReadFile(path)
		}
		return err
	}))
	require.Len(t, files, 9)
	damaged := func(t *testing.T, path string) {
		t.Helper()
		damage, err := r.Verify(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, damage, path)
		for _, d := range damage {
			require.ErrorIs(t, d, registry.ErrDamaged)
			var at *fs.PathError
			require.ErrorAs(t, d, &at)
			// Damaged checksums may look like damage to the files they belong to.
			require.Equal(t, filepath.Dir(path), filepath.Dir(at.Path))
			if filepath.Base(path) != "SHA256SUMS" {
				require.Equal(t, path, at.Path)
			}
		}
	}
	for path, whole := range files {
		for at := len(whole) % 5; at < len(whole); at += 5 {
			bad := bytes.Clone(whole)
			bad[at] ^= 1
			require.NoError(t, os.WriteFile(path, bad, 0o644))
			damaged(t, path)
		}
		require.NoError(t, os.WriteFile(path, whole[:len(whole)-1], 0o644))
		damaged(t, path)
		require.NoError(t, os.WriteFile(path, append(bytes.Clone(whole), ' '), 0o644))
		damaged(t, path)
		if filepath.Base(path) != "state" { // without the file, nothing is live
			require.NoError(t, os.Remove(path))
			damaged(t, path)
		}
		require.NoError(t, os.WriteFile(path, whole, 0o644))
	}
	requireSound(t, r)

	model := filepath.Join(dir, "demand", "000001", "model.onnx")
	require.NoError(t, os.WriteFile(model, []byte("x"), 0o644))
	v, err := r.Version("demand", 1)
	require.NoError(t, err)
	_, err = v.Read(registry.ONNX)
	require.ErrorIs(t, err, registry.ErrDamaged)
	require.ErrorIs(t, r.Promote(t.Context(), "demand", 1), registry.ErrDamaged)
	_, err = r.Rollback(t.Context(), "demand")
	require.ErrorIs(t, err, registry.ErrDamaged)
	live, err := r.Live("demand")
	require.NoError(t, err)
	require.Equal(t, 2, live.Number, "and nothing changed")

	require.NoError(t, os.Remove(model))
	require.NoError(t, os.Symlink(filepath.Join(dir, "demand", "000002", "model.onnx"), model))
	damaged(t, model)
	require.NoError(t, os.Remove(model))
	require.NoError(t, os.WriteFile(model, []byte("a"), 0o644))
	extra := filepath.Join(dir, "demand", "000001", "extra")
	require.NoError(t, os.WriteFile(extra, nil, 0o644))
	damaged(t, extra)
	require.NoError(t, os.Remove(extra))
	require.NoError(t, os.Rename(filepath.Join(dir, "demand", "000001"), filepath.Join(dir, "demand", "000003")))
	damaged(t, filepath.Join(dir, "demand", "000003", "manifest.json"))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "demand", "000003")))
	requireSound(t, r)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "demand", "000002")))
	put(t, r, "c")
	damage, err := r.Verify(t.Context())
	require.NoError(t, err)
	require.Len(t, damage, 1)
	require.ErrorContains(t, damage[0], "it is live, but missing")
}

func TestConcurrent(t *testing.T) {
	r, dir := open(t)
	put(t, r, "first")
	require.NoError(t, r.Promote(t.Context(), "demand", 1))
	other, err := registry.Open(dir)
	require.NoError(t, err)
	const each = 8
	numbers := make(chan int, 4*each)
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for g, r := range []*registry.Registry{r, other, r, other} {
		writers.Go(func() {
			for i := range each {
				v, err := r.Put(t.Context(), "demand", draft(fmt.Appendf(nil, "%d %d", g, i)))
				if !assert.NoError(t, err) {
					return
				}
				numbers <- v.Number
				assert.NoError(t, r.Promote(t.Context(), "demand", v.Number))
			}
		})
	}
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			v, err := other.Live("demand")
			if assert.NoError(t, err) {
				_, err = v.Read(registry.ONNX)
				assert.NoError(t, err)
			}
			damage, err := other.Verify(t.Context())
			assert.NoError(t, err)
			assert.Empty(t, damage)
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
	close(numbers)
	seen := map[int]bool{}
	for n := range numbers {
		require.False(t, seen[n], "number %d twice", n)
		seen[n] = true
	}
	require.Len(t, seen, 4*each)
	history, err := r.History("demand")
	require.NoError(t, err)
	require.Len(t, history, 1+4*each, "no promotion was lost")
}

// A call that waits for the lock can be cancelled.
func TestLockWaits(t *testing.T) {
	r, _ := open(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	d := draft(nil)
	d.Files["slow"] = readerFunc(func([]byte) (int, error) {
		cancel(enough)
		_, err := r.Put(ctx, "demand", draft(nil))
		assert.ErrorIs(t, err, enough)
		assert.ErrorContains(t, err, "another process is changing the registry")
		return 0, io.EOF
	})
	_, err := r.Put(t.Context(), "demand", d)
	require.NoError(t, err)
}

// Processes that put, promote, roll back and delete are repeatedly killed midway. Every
// change that they reported is done, and nothing is ever damaged.
func TestKilled(t *testing.T) {
	r, dir := open(t)
	exe, err := os.Executable()
	require.NoError(t, err)
	rnd := rand.New(rand.NewPCG(1, 2))
	promoted := map[int]bool{}
	kills := 40
	if testing.Short() {
		kills = 5
	}
	for range kills {
		var cmds []*exec.Cmd
		var outs []*bytes.Buffer
		for range 2 {
			cmd := exec.Command(exe)
			cmd.Env = append(os.Environ(), child+"="+dir)
			out := &bytes.Buffer{}
			ready, w := io.Pipe()
			cmd.Stdout = io.MultiWriter(out, w)
			require.NoError(t, cmd.Start())
			_, err := ready.Read(make([]byte, 1)) // it has started
			require.NoError(t, err)
			go io.Copy(io.Discard, ready)
			cmds, outs = append(cmds, cmd), append(outs, out)
		}
		time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond)
		for _, cmd := range cmds {
			require.NoError(t, cmd.Process.Kill())
		}
		for i, cmd := range cmds {
			cmd.Wait()
			for line := range strings.Lines(outs[i].String()) {
				var n int
				if _, err := fmt.Sscanf(line, "promoted %d\n", &n); err == nil {
					require.False(t, promoted[n], "version %d was put twice", n)
					promoted[n] = true
				} else {
					require.Contains(t, []string{"started\n", ""}, line)
				}
			}
		}
		requireSound(t, r)
		if len(promoted) > 0 {
			live, err := r.Live("demand")
			require.NoError(t, err)
			data, err := live.Read(registry.ONNX)
			require.NoError(t, err)
			require.Len(t, data, 50_000)
		}
	}
	require.NotEmpty(t, promoted)
	most := 0
	for n := range maps.Keys(promoted) {
		most = max(most, n)
	}
	v := put(t, r, "last")
	require.Greater(t, v.Number, most)
	left, err := filepath.Glob(strings.ReplaceAll(filepath.Join(dir, "demand", ".tmp-*"), "[", `\[`))
	require.NoError(t, err)
	require.Empty(t, left, "the next cleans up")
	t.Logf("%d promotions over %d kills of two processes", len(promoted), kills)
}
