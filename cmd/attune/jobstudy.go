package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/study"
)

// A jobStudy is a study made by optimize, opened for reading.
type jobStudy struct {
	openStudy
	work    *study.Study // the same study if it is open for writing, else nil
	job     job
	storage string
	device  string         // device to fit networks on
	family  tune.Family    // family of the models; nil for the job's, on that device
	data    string         // file with the job's data, if they have moved; or empty
	frame   forecast.Frame // the job's data, if they have been read

	kept  *tune.Model // the kept model, once looked for; nil inside if there is none
	whole *tune.Task  // task that fits models to all data, once needed
}

// An openStudy is a *study.View or a *study.Study.
type openStudy interface {
	study.Reader
	Close() error
}

// openJob opens a study of a store and reads its job.
func openJob(ctx context.Context, store store, name string) (*jobStudy, error) {
	st, err := study.Read(ctx, store, name)
	if err != nil {
		return nil, err
	}
	attrs, err := st.Attrs(ctx)
	if err != nil {
		st.Close()
		return nil, err
	}
	j, err := readJob(attrs)
	if err != nil {
		st.Close()
		return nil, fmt.Errorf("study %q: %w", name, err)
	}
	return &jobStudy{openStudy: st, job: j, storage: store.Path, device: autoDevice}, nil
}

// read returns the data of the study.
func (s *jobStudy) read() (forecast.Frame, error) {
	if s.frame != nil {
		return s.frame, nil
	}
	var first error
	for _, file := range []string{s.job.Data.File, s.data} {
		from := s.job.Data
		if from.File = file; file == "" {
			continue
		}
		frame, _, err := from.read()
		if err == nil && s.job.of(frame) {
			return frame, nil
		}
		if err == nil {
			err = fmt.Errorf("%s has changed: name the unchanged data with --data", file)
		} else if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: name the file with --data", err)
		}
		first = cmp.Or(first, err)
	}
	return nil, first
}

// bestModel returns the final model of a study, named or the only one of a store. It also
// returns how to read the data to use it on: those in the file data or, if that is empty, the
// study's.
func bestModel(ctx context.Context, storage, name, data string, stderr io.Writer) (tune.Model, source, error) {
	store, err := openStore(storage)
	if err != nil {
		return tune.Model{}, source{}, err
	}
	if name, err = pick(ctx, store, name); err != nil {
		return tune.Model{}, source{}, err
	}
	s, err := openJob(ctx, store, name)
	if err != nil {
		return tune.Model{}, source{}, err
	}
	defer s.Close()
	s.data = data
	m, err := s.use(ctx, stderr)
	from := s.job.Data
	from.File = cmp.Or(data, from.File)
	return m, from, err
}

// use returns the final model, and warns if it could not be kept or should not be trusted.
func (s *jobStudy) use(ctx context.Context, stderr io.Writer) (tune.Model, error) {
	m, err := s.final(ctx, runtime.GOMAXPROCS(0))
	switch {
	case err != nil && m.Forecaster == nil:
		return m, err
	case err != nil:
		warn(stderr, fmt.Errorf("the model could not be saved and will be fitted again next time: %w", err))
	}
	if doubt := s.doubt(ctx, m.Trial); doubt != nil {
		warn(stderr, doubt)
	}
	return m, nil
}
