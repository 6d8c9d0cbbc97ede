package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/sqlite/internal/driver"
)

// files are the files of a connection: the database and, in WAL mode, its log and the log's index.
//
// SQLite continues to use files that somebody has removed, replaced or truncated, and all later writes are lost in
// the end. So each write checks them first, and closing checks them again.
type files struct {
	path     string      // absolute, in case the process changes its folder
	main     fs.FileInfo // as it was opened
	wal, shm fs.FileInfo // likewise; nil unless the log is in use
	size     int64       // of the file when it was last seen whole
	modified time.Time   // likewise
	log      *os.File    // the log, to be synced; nil unless it is in use
}

// open remembers the file at a path, which a connection has opened.
func (f *files) open(path string) (err error) {
	if f.path, err = filepath.Abs(path); err == nil {
		f.main, err = os.Stat(f.path)
	}
	if err == nil {
		f.size, f.modified = f.main.Size(), f.main.ModTime()
	}
	return err
}

// openLog remembers the log, which a connection has just begun to use, and makes
// its name last.
func (f *files) openLog() (err error) {
	if f.log, err = os.OpenFile(f.path+"-wal", os.O_RDWR, 0); err != nil {
		return err
	}
	if f.wal, err = f.log.Stat(); err == nil {
		f.shm, err = os.Stat(f.path + "-shm")
	}
	if err != nil {
		return errors.Join(err, f.closeLog())
	}
	if dir, err := os.Open(filepath.Dir(f.path)); err == nil {
		_ = dir.Sync() // not on Windows, where names last
		dir.Close()
	}
	return nil
}

func (f *files) closeLog() error {
	log := f.log
	f.log, f.wal, f.shm = nil, nil, nil
	if log == nil {
		return nil
	}
	return log.Close()
}

// sync waits until what was committed is on the disk. Without a log, SQLite has
// waited already.
func (f *files) sync() error {
	if f.log == nil {
		return nil
	}
	return syncLog(f.log)
}

// syncLog waits until the log is on the disk. A log that was closed meanwhile was
// synced before.
func syncLog(log *os.File) error {
	if err := fsync(log); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("it was written, but the disk does not confirm it: %w", err)
	}
	return nil
}

// fsync is what tests replace.
var fsync = (*os.File).Sync

// check returns an error unless all files are those that were opened, whole.
func (f *files) check() error {
	if f.main == nil {
		return nil // it is being created
	}
	now, err := os.Stat(f.path)
	if err = inPlace(now, err, f.main); err != nil {
		return fmt.Errorf("%w: the file was removed or replaced while it was open, so what is written now would be lost: put it back, or start again: %w", storage.ErrPath, err)
	}
	if f.log != nil {
		for _, file := range []struct {
			suffix string
			opened fs.FileInfo
		}{{"-wal", f.wal}, {"-shm", f.shm}} {
			now, err := os.Stat(f.path + file.suffix)
			if err = inPlace(now, err, file.opened); err != nil {
				return fmt.Errorf("%w: %s was removed or replaced while it was in use, so other processes do not see what is written here: stop all programs that use the file, and start again: %w",
					storage.ErrPath, filepath.Base(f.path)+file.suffix, err)
			}
		}
	}
	if now.Size() < f.size {
		if err := f.shrunk(now.Size()); err != nil {
			return err
		}
	}
	f.size, f.modified = now.Size(), now.ModTime()
	return nil
}

// inPlace returns an error unless os.Stat found the file that was opened.
func inPlace(now fs.FileInfo, err error, opened fs.FileInfo) error {
	if err == nil && !os.SameFile(now, opened) {
		err = errors.New("there is another file in its place")
	}
	return err
}

// shrunk determines whether a smaller file was compacted, as by VACUUM, or truncated.
func (f *files) shrunk(size int64) error {
	err := errors.New("its end is missing")
	// SQLite removes the log of an empty file, so it must not see an empty one.
	if size >= 512 {
		err = sound(f.path)
	}
	if err != nil {
		return fmt.Errorf("%w: the file was truncated from %d to %d bytes while it was open: stop all programs that use it, and restore a copy: %w", storage.ErrFormat, f.size, size, err)
	}
	return nil
}

// sound makes SQLite check the file at a path, with a new connection that has none of it cached.
func sound(path string) error {
	db, err := driver.Open(path, driver.ReadOnly)
	if err != nil {
		return err
	}
	c := &conn{db: db, stmts: map[string]*driver.Stmt{}}
	verdict, err := c.text("PRAGMA quick_check(1)")
	if err == nil && verdict != "ok" {
		err = errors.New(verdict)
	}
	return errors.Join(err, c.close())
}

// orphaned reports whether the log must no longer be copied into the file, because another program may have written
// to either. If only names were removed, copying the log saves its content.
func (f *files) orphaned() bool {
	if f.log == nil {
		return false
	}
	at := func(suffix string, opened fs.FileInfo) (now fs.FileInfo, ok bool) {
		now, err := os.Stat(f.path + suffix)
		return now, errors.Is(err, fs.ErrNotExist) || inPlace(now, err, opened) == nil
	}
	now, ok := at("", f.main)
	if !ok || now != nil && (now.Size() != f.size || !now.ModTime().Equal(f.modified)) && f.check() != nil {
		return true
	}
	_, wal := at("-wal", f.wal)
	_, shm := at("-shm", f.shm)
	return !wal || !shm
}

// SQLite shares the state of a file among all connections of a process, including abandoned ones.
var lost struct {
	sync.Mutex
	files []fs.FileInfo
}

// abandon notes that a connection to a file stays open, with a log that is no
// longer the file's.
func abandon(file fs.FileInfo) {
	lost.Lock()
	defer lost.Unlock()
	lost.files = append(lost.files, file)
}

// abandoned reports whether this process has abandoned the file.
func abandoned(file fs.FileInfo) bool {
	lost.Lock()
	defer lost.Unlock()
	return slices.ContainsFunc(lost.files, func(f fs.FileInfo) bool { return os.SameFile(f, file) })
}
