package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// rounds checks each round: its predictions are those of the model cut at that round, and
// its score is their loss.
func (s Suite) rounds(t *testing.T, train, valid engine.Dataset, p engine.Params) {
	var predictions [][]float64
	var scores []float64
	m := s.fit(t, train, valid, p, func(it engine.Iteration) error {
		assert.Equal(t, len(scores), it.Round)
		scores = append(scores, it.Score)
		predictions = append(predictions, it.Predictions())
		return nil
	})
	count := p.Trees
	if p.Method == engine.Forest && s.WholeForest {
		count = 1
	}
	require.Len(t, scores, count)
	require.Zero(t, len(m.Trees)%count)
	for i := range scores {
		part := *m
		part.Trees = m.Trees[:(i+1)*len(m.Trees)/count]
		s.near(t, Predict(t, &part, valid), predictions[i], fmt.Sprintf("predictions of round %d", i))
		assert.InEpsilon(t, Score(p, valid, predictions[i]), scores[i], 1e-9, "round %d", i)
	}
	if p.Method == engine.Boosting {
		assert.Less(t, scores[count-1], 0.97*scores[0])
	}
	constant := slices.Repeat([]float64{mean(train)}, len(predictions[0]))
	if p.Loss == engine.Softmax {
		constant = slices.Repeat([]float64{1.0 / 3}, len(predictions[0]))
	}
	assert.Less(t, scores[count-1], Score(p, valid, constant), "than a constant")
}

// validation: without validation rows or their labels, scores are of the training rows.
func (s Suite) validation(t *testing.T) {
	train, valid := Data(engine.L2, 400, 1), Data(engine.L2, 50, 2)
	valid.Label = nil
	p := s.params(engine.L2)
	for _, v := range []engine.Dataset{{}, valid} {
		count, score := 0, 0.0
		m := s.fit(t, train, v, p, func(it engine.Iteration) error {
			count, score = count+1, it.Score
			if v.Rows() == 0 {
				assert.Empty(t, it.Predictions())
			} else if it.Round == p.Trees-1 {
				got, again := it.Predictions(), it.Predictions()
				require.Len(t, got, 50)
				got[0]++
				assert.Equal(t, got[0], again[0]+1)
			}
			return nil
		})
		assert.Equal(t, p.Trees, count)
		assert.InEpsilon(t, Score(p, train, Predict(t, m, train)), score, max(1e-9, s.Tolerance))
	}
}

// stop: the callback ends the training.
func (s Suite) stop(t *testing.T) {
	train, valid := Data(engine.Softmax, 400, 1), Data(engine.Softmax, 100, 2)
	p := s.params(engine.Softmax)
	whole := s.fit(t, train, valid, p, nil)
	m := s.fit(t, train, valid, p, func(it engine.Iteration) error {
		if it.Round == 4 {
			return fmt.Errorf("enough: %w", engine.ErrStop)
		}
		return nil
	})
	assert.Equal(t, whole.Trees[:15], m.Trees)

	pruned := errors.New("pruned")
	calls := 0
	m, err := s.Engine.Fit(context.Background(), train, valid, p, func(engine.Iteration) error {
		calls++
		return pruned
	})
	require.ErrorIs(t, err, pruned)
	assert.Nil(t, m)
	assert.Equal(t, 1, calls)
}

// earlyStopping: the model keeps the rounds up to the best.
func (s Suite) earlyStopping(t *testing.T) {
	train, valid := Data(engine.L2, 100, 1), Data(engine.L2, 100, 2)
	p := s.params(engine.L2)
	p.Trees, p.LearningRate, p.EarlyStopping = 300, 0.5, 5
	var scores []float64
	m := s.fit(t, train, valid, p, func(it engine.Iteration) error {
		scores = append(scores, it.Score)
		return nil
	})
	best := slices.Index(scores, slices.Min(scores))
	assert.Len(t, scores, best+1+5)
	assert.Len(t, m.Trees, best+1)
	assert.Equal(t, m, s.fit(t, train, valid, p, nil), "unwatched")
}

func (s Suite) cancelled(t *testing.T) {
	train := Data(engine.L2, 200, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p := s.params(engine.L2)
	p.Trees = 100000
	calls := 0
	m, err := s.Engine.Fit(ctx, train, engine.Dataset{}, p, func(engine.Iteration) error {
		calls++
		if calls == 3 {
			cancel()
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Nil(t, m)
	assert.Less(t, calls, 10)
	_, err = s.Engine.Fit(ctx, train, engine.Dataset{}, p, nil)
	require.ErrorIs(t, err, context.Canceled)
}
