package table_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/dense"
	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/table"
	"github.com/attune-hpo/attune/objective/tree/style"
)

// The town and the area matter, the rest is noise.
func ExampleModel_Permute() {
	data := shops(200)
	m := must((&table.Task{Table: data, Style: dense.Linear}).Fit(context.Background(), nil, 1))
	for _, r := range must(m.Permute(data, table.RMSE, 1))[:2] {
		fmt.Println(r.Name)
	}
	// Output:
	// town
	// area
}

// A model's pipeline predicts what the model does, from numbers and texts.
func TestPipeline(t *testing.T) {
	for name, task := range map[string]*table.Task{
		"trees":      {Table: shops(200), Style: style.LightGBM},
		"linear":     {Table: shops(200), Style: dense.Linear},
		"three":      {Table: iris(), Style: dense.MLP},
		"two":        {Table: cancer(), Style: dense.Linear},
		"two, trees": {Table: cancer(), Style: style.XGBoost},
		"forest":     {Table: rare(20), Style: style.IsolationForest},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := task.Fit(t.Context(), nil, 1)
			require.NoError(t, err)
			p, err := m.Pipeline()
			require.NoError(t, err)
			predictor, err := pipeline.NewPredictor(p)
			require.NoError(t, err)
			got, err := predictor.Predict(m.Inputs(task.Table.Features()))
			require.NoError(t, err)
			want, err := m.Predict(task.Table.Features())
			require.NoError(t, err)
			if m.Kind != table.Classification {
				assert.Equal(t, want.Values, got[0])
				return
			}
			assert.Equal(t, want.Values, got[1])
			for i, row := range want.Probabilities {
				assert.Equal(t, row, got[0][i*len(row):(i+1)*len(row)])
			}
			assert.Equal(t, m.Classes, p.Outputs[1].Labels.Texts)
		})
	}
}

// SHAP values add up to the raw output, which is the prediction of numbers.
func TestSHAP(t *testing.T) {
	for _, s := range []table.Style{style.LightGBM, style.RandomForest, dense.Linear} {
		data := shops(100)
		m, err := (&table.Task{Table: data, Style: s}).Fit(t.Context(), nil, 1)
		require.NoError(t, err)
		rows := data.Features()[:10]
		shap, err := m.SHAP(rows)
		require.NoError(t, err)
		want, err := m.Predict(rows)
		require.NoError(t, err)
		for i, values := range shap {
			sum := 0.0
			for _, v := range values {
				sum += v
			}
			assert.InDelta(t, want.Values[i], sum, 1e-9, s.Name())
		}
		_, err = m.SHAP([][]float64{{1}})
		assert.ErrorIs(t, err, table.ErrTable)
	}
	m, err := (&table.Task{Table: shops(100), Style: dense.MLP}).Fit(t.Context(), nil, 1)
	require.NoError(t, err)
	_, err = m.SHAP(shops(100).Features()[:1])
	assert.ErrorIs(t, err, dense.ErrUnsupported)
	assert.Nil(t, m.Importance())
}

func TestPermuteRefuses(t *testing.T) {
	data := shops(100)
	m, err := (&table.Task{Table: data, Style: style.LightGBM}).Fit(t.Context(), nil, 1)
	require.NoError(t, err)
	a, err := m.Permute(data, table.MAE, 7)
	require.NoError(t, err)
	b, err := m.Permute(data, table.MAE, 7)
	require.NoError(t, err)
	assert.Equal(t, a, b)
	_, err = m.Permute(iris(), table.MAE, 1)
	assert.ErrorIs(t, err, table.ErrTable)
	_, err = (&table.Task{Table: data, Style: dense.Linear, Metric: table.Pinball(0.9)}).Fit(t.Context(), nil, 1)
	assert.ErrorIs(t, err, table.ErrConfig)
}
