package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/atomicfile"
)

// A Promotion records when a version became live.
type Promotion struct {
	Number int       `json:"number"`
	At     time.Time `json:"at"`
}

// state is the mutable state of a model.
type state struct {
	// Last is the largest number of a deleted version, so that it is not reused.
	Last int `json:"last,omitempty"`
	// Promoted are the promotions that were not rolled back, oldest first.
	Promoted []Promotion `json:"promoted,omitempty"`
}

// state reads a model's state. A model that was never promoted has none.
func (r *Registry) state(name string) (s state, err error) {
	return s, readSealed(filepath.Join(r.dir, name, stateFile), &s)
}

// readSealed reads a line of JSON from a file, whose second line is its checksum. If there is no
// file, it leaves v as it is.
func readSealed(path string, v any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	line, sum, _ := bytes.Cut(data, []byte("\n"))
	if string(sum) != sumLine(line) {
		return &fs.PathError{Op: "read", Path: path, Err: ErrDamaged}
	}
	if err := json.Unmarshal(line, v); err != nil {
		return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w: %w", ErrDamaged, err)}
	}
	return nil
}

func sumLine(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]) + "\n"
}

// writeSealed replaces a file of a model that readSealed reads. The lock must be held.
func (r *Registry) writeSealed(name, file string, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	home := filepath.Join(r.dir, name)
	if err := removeLeft(home); err != nil {
		return err
	}
	tmp := filepath.Join(home, temp+file)
	if _, err := writeFile(tmp, strings.NewReader(string(line)+"\n"+sumLine(line))); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, filepath.Join(home, file)); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return atomicfile.SyncDir(home)
}

// Live returns the live version. It fails with [ErrNotExist] if none is live.
func (r *Registry) Live(name string) (Version, error) {
	fail := func(err error) (Version, error) { return Version{}, failed("live version of", name, 0, err) }
	if err := checkName(name); err != nil {
		return fail(err)
	}
	s, err := r.state(name)
	if err != nil {
		return fail(err)
	}
	if len(s.Promoted) == 0 {
		return fail(fmt.Errorf("none was promoted: %w", ErrNotExist))
	}
	number := s.Promoted[len(s.Promoted)-1].Number
	v, err := r.version(name, number)
	if err != nil {
		// Another version may just have been promoted, and this one deleted.
		if now, nowErr := r.state(name); nowErr == nil && len(now.Promoted) > 0 && now.Promoted[len(now.Promoted)-1].Number != number {
			return r.Live(name)
		}
		return fail(err)
	}
	return v, nil
}

// History returns the promotions that were not rolled back. The last one is the live version's.
func (r *Registry) History(name string) ([]Promotion, error) {
	err := checkName(name)
	var s state
	if err == nil {
		s, err = r.state(name)
	}
	if err != nil {
		return nil, failed("history of", name, 0, err)
	}
	return s.Promoted, nil
}

// Promote makes a version live, after it has checked all of its files. It fails with
// [ErrDamaged] if one has changed. Promoting the live version does nothing.
func (r *Registry) Promote(ctx context.Context, name string, number int) error {
	err := r.change(ctx, name, func(s *state) error {
		v, err := r.version(name, number)
		if err == nil {
			err = v.check()
		}
		if n := len(s.Promoted); err != nil || n > 0 && s.Promoted[n-1].Number == number {
			return err
		}
		s.Promoted = append(s.Promoted, Promotion{number, time.Now().UTC().Truncate(time.Millisecond)})
		return nil
	})
	if err != nil {
		return failed("promote", name, number, err)
	}
	return nil
}

// Rollback makes the previous live version live again, and returns it. It skips versions
// that were deleted. It fails with [ErrNotExist] if there is no previous version, and with
// [ErrDamaged] like [Registry.Promote].
func (r *Registry) Rollback(ctx context.Context, name string) (Version, error) {
	var v Version
	err := r.change(ctx, name, func(s *state) error {
		for n := len(s.Promoted) - 1; n > 0; n-- {
			var err error
			v, err = r.version(name, s.Promoted[n-1].Number)
			if absent(err) {
				continue
			}
			s.Promoted = s.Promoted[:n]
			if err == nil {
				err = v.check()
			}
			return err
		}
		return fault.Mark(errors.New("no version was live before"), ErrNotExist)
	})
	if err != nil {
		return Version{}, failed("roll back", name, 0, err)
	}
	return v, nil
}

// Delete removes a version. It fails with [ErrLive] for the live one. The number is not reused.
func (r *Registry) Delete(ctx context.Context, name string, number int) error {
	err := r.change(ctx, name, func(s *state) error {
		if n := len(s.Promoted); n > 0 && s.Promoted[n-1].Number == number {
			return ErrLive
		}
		if _, err := os.Stat(filepath.Join(r.dir, name, folder(number))); err != nil {
			return err
		}
		s.Last = max(s.Last, number)
		return nil
	}, func() error {
		home := filepath.Join(r.dir, name)
		gone := filepath.Join(home, temp+"deleted-"+folder(number))
		if err := os.Rename(filepath.Join(home, folder(number)), gone); err != nil {
			return err
		}
		return errors.Join(atomicfile.SyncDir(home), os.RemoveAll(gone))
	})
	if err != nil {
		return failed("delete", name, number, err)
	}
	return nil
}

// change changes a model's state, then calls more, all under the lock.
func (r *Registry) change(ctx context.Context, name string, change func(*state) error, more ...func() error) error {
	return r.locked(ctx, name, func() error {
		s, err := r.state(name)
		if err != nil {
			return err
		}
		if err := change(&s); err != nil {
			return err
		}
		if err := r.writeSealed(name, stateFile, s); err != nil {
			return err
		}
		for _, do := range more {
			if err := do(); err != nil {
				return err
			}
		}
		return nil
	})
}

// locked calls do for an existing model, under the lock.
func (r *Registry) locked(ctx context.Context, name string, do func() error) error {
	if err := checkName(name); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(r.dir, name)); err != nil {
		return err
	}
	unlock, err := r.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return do()
}
