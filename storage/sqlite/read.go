package sqlite

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/attune-hpo/attune/storage"
)

// Read implements [storage.Reader]. It opens the file read-only, with a connection of its own, and creates nothing.
// There is one exception: if another program has left the file in WAL mode without its log, SQLite creates an empty
// log next to it.
//
// If a worker closes the file while a reader has it open, the log stays next to it. The file itself is complete, and
// the next writer removes the log.
func (s *Store) Read(ctx context.Context, name string) (storage.Ledger, error) {
	return s.reader().Open(ctx, name)
}

// reader returns a Store that reads the file of s and never writes it.
func (s *Store) reader() *Store {
	return &Store{Path: s.Path, BusyTimeout: s.BusyTimeout, readOnly: true}
}

// forReading returns s if its file is open, otherwise a reader.
func (s *Store) forReading(ctx context.Context) (*Store, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	if s.db != nil {
		return s, nil
	}
	return s.reader(), nil
}

// Wait implements [storage.Waiter]. A write by this Store ends it at once. To detect other writes it checks the
// version of the file, which needs no read: every millisecond at first, and every 50 ms in the end.
func (l *ledger) Wait(ctx context.Context, after storage.Cursor) error {
	const seldom = 50 * time.Millisecond
	for pause := time.Millisecond; ; pause = min(pause*3/2, seldom) {
		news, err := l.news(ctx, after)
		if news == nil || err != nil {
			return err
		}
		select {
		case <-news:
		case <-time.After(pause):
		case <-ctx.Done(): // which news returns
		}
	}
}

// news returns a channel that is closed at the next change that this process learns of, or nil if there already is a
// change after the cursor.
func (l *ledger) news(ctx context.Context, after storage.Cursor) (news <-chan struct{}, err error) {
	err = l.read(ctx, "wait for changes", func(c *conn) error {
		now, err := os.Stat(c.files.path)
		if err = inPlace(now, err, c.files.main); err != nil { // or else it would wait for ever
			return fmt.Errorf("%w: the file was removed or replaced while it was watched: open it again: %w", storage.ErrPath, err)
		}
		news = l.study.trials.News(after)
		return nil
	})
	return news, err
}
