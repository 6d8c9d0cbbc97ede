package study

import (
	"context"
	"fmt"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// List returns all studies of a store, in order of name.
func List(ctx context.Context, store storage.Store) ([]trial.Header, error) {
	var all []trial.Header
	for s, err := range store.Studies(ctx) {
		if err != nil {
			return nil, pkg.Errorf("%w", err)
		}
		all = append(all, s)
	}
	return all, nil
}

// Delete removes a study and all its trials. It fails with [storage.ErrNotExist]
// if there is none.
func Delete(ctx context.Context, store storage.Store, name string) error {
	if err := store.Delete(ctx, name); err != nil {
		return pkg.Errorf("%w", err)
	}
	return nil
}

// Rename gives a study another name. It fails with [storage.ErrNotExist] and
// [storage.ErrExist].
func Rename(ctx context.Context, store storage.Store, from, to string) error {
	if to == "" {
		return pkg.Errorf("rename %q: %w: the new name is empty", from, ErrConfig)
	}
	if err := store.Rename(ctx, from, to); err != nil {
		return pkg.Errorf("%w", err)
	}
	return nil
}

// Copy copies a study, with its attributes and all its trials under the same numbers, into a store, which may be the
// same store if the name differs. Running trials are copied as failed: their workers do not know of the copy. Copy
// fails with [storage.ErrNotExist] and [storage.ErrExist]; it removes a copy that it cannot finish.
func Copy(ctx context.Context, from storage.Store, name string, to storage.Store, newName string) error {
	if err := copyStudy(ctx, from, name, to, newName); err != nil {
		return pkg.Errorf("copy %q to %q: %w", name, newName, err)
	}
	return nil
}

func copyStudy(ctx context.Context, from storage.Store, name string, to storage.Store, newName string) error {
	if newName == "" {
		return fmt.Errorf("%w: the new name is empty", ErrConfig)
	}
	source, err := storage.Read(ctx, from, name)
	if err != nil {
		return err
	}
	defer source.Close()
	header, err := source.Header(ctx)
	if err != nil {
		return err
	}
	history := trial.NewHistory(header)
	for u, err := range source.Since(ctx, 0) {
		if err != nil {
			return err
		}
		history.Put(u.Trial)
	}
	records := history.Snapshot().Records()
	for i, r := range records {
		if r.State == trial.Running {
			r, err := r.Apply(trial.Finished{State: trial.Failed, Err: "was running when the study was copied", At: r.Started})
			if err != nil {
				return err
			}
			records[i] = r
		}
	}
	header.Name = newName
	target, err := to.Create(ctx, header)
	if err != nil {
		return err
	}
	_, err = target.Add(ctx, records...)
	if closeErr := target.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		to.Delete(context.WithoutCancel(ctx), newName) // the first failure matters
	}
	return err
}
