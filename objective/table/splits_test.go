package table_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/table"
)

// numbered is a table of n rows. Row i holds i; its class and group are functions of i.
func numbered(n int, class, group func(i int) int) table.Table {
	x, y := table.Column{Name: "x"}, table.Column{Name: "y"}
	var groups []int
	for i := range n {
		x.Values, y.Values = append(x.Values, float64(i)), append(y.Values, float64(i))
		if class != nil {
			y.Values[i] = float64(class(i))
		}
		if group != nil {
			groups = append(groups, group(i))
		}
	}
	if class != nil {
		for k := range int(slices.Max(y.Values)) + 1 {
			y.Categories = append(y.Categories, fmt.Sprint(k))
		}
	}
	return table.Table{Columns: []table.Column{x}, Target: y, Group: groups}
}

func TestSplits(t *testing.T) {
	rare := func(i int) int { return min(1, i%10) } // every tenth row is of class 0
	group := func(i int) int { return i % 17 }
	for name, c := range map[string]struct {
		splits                   table.Splits
		class, group             func(int) int
		folds, smallest, largest int  // rows that judge in a fold
		once                     bool // each row is judged once
	}{
		"by default":         {table.Splits{}, nil, nil, 5, 20, 21, true},
		"of three":           {table.Splits{Folds: 3, Seed: 4}, nil, nil, 3, 34, 35, true},
		"of classes":         {table.Splits{Folds: 4}, rare, nil, 4, 25, 26, true},
		"of groups":          {table.Splits{}, nil, group, 5, 18, 24, true},
		"held out":           {table.Splits{Holdout: 0.2}, nil, nil, 1, 20, 21, false},
		"held out classes":   {table.Splits{Holdout: 0.2}, rare, nil, 1, 20, 21, false},
		"held out groups":    {table.Splits{Holdout: 0.2}, nil, group, 1, 21, 27, false},
		"in time":            {table.Splits{Ordered: true}, nil, nil, 5, 17, 17, false},
		"in time, held out":  {table.Splits{Ordered: true, Holdout: 0.25}, nil, nil, 1, 26, 26, false},
		"in time of classes": {table.Splits{Ordered: true, Folds: 2}, rare, nil, 2, 34, 34, false},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 103
			data := numbered(n, c.class, c.group)
			folds, err := c.splits.Split(data)
			require.NoError(t, err)
			again, err := c.splits.Split(data)
			require.NoError(t, err)
			assert.Equal(t, folds, again, "equal seeds give equal folds")
			require.Len(t, folds, c.folds)
			judged := map[int]int{}
			for _, f := range folds {
				assert.True(t, slices.IsSorted(f.Train) && slices.IsSorted(f.Valid))
				assert.GreaterOrEqual(t, len(f.Valid), c.smallest)
				assert.LessOrEqual(t, len(f.Valid), c.largest)
				groups := map[int]bool{}
				for _, row := range f.Train {
					_, both := slices.BinarySearch(f.Valid, row)
					assert.False(t, both, "row %d is on both sides", row)
					if c.group != nil {
						groups[c.group(row)] = true
					}
				}
				ones := 0
				for _, row := range f.Valid {
					judged[row]++
					if c.group != nil {
						assert.False(t, groups[c.group(row)], "group of row %d is on both sides", row)
					}
					if c.class != nil && c.class(row) == 0 {
						ones++
					}
				}
				if c.splits.Ordered {
					assert.Less(t, f.Train[len(f.Train)-1], f.Valid[0], "the future is not learnt from")
					assert.Equal(t, f.Valid[0], len(f.Train), "all of the past is")
				} else {
					assert.Equal(t, n, len(f.Train)+len(f.Valid))
				}
				if c.class != nil && !c.splits.Ordered {
					assert.InDelta(t, 11*float64(len(f.Valid))/n, ones, 1, "classes are as often as in the table")
				}
			}
			for row, times := range judged {
				assert.Equal(t, 1, times, "row %d", row)
			}
			if c.once {
				assert.Len(t, judged, n)
			}
			if c.splits.Ordered {
				return
			}
			c.splits.Seed++
			other, err := c.splits.Split(data)
			require.NoError(t, err)
			assert.NotEqual(t, folds, other, "seeds differ")
		})
	}
}

// The blocks of scikit-learn's TimeSeriesSplit(n_splits=3) for 10 rows.
func TestSplitsInTime(t *testing.T) {
	folds, err := table.Splits{Folds: 3, Ordered: true}.Split(numbered(10, nil, nil))
	require.NoError(t, err)
	assert.Equal(t, []table.Fold{
		{Train: []int{0, 1, 2, 3}, Valid: []int{4, 5}},
		{Train: []int{0, 1, 2, 3, 4, 5}, Valid: []int{6, 7}},
		{Train: []int{0, 1, 2, 3, 4, 5, 6, 7}, Valid: []int{8, 9}},
	}, folds)
}

func TestSplitsErrors(t *testing.T) {
	for name, c := range map[string]struct {
		splits table.Splits
		table  table.Table
		is     error
		says   string
	}{
		"one fold":        {table.Splits{Folds: 1}, numbered(9, nil, nil), table.ErrConfig, "1 folds, want at least 2, or a holdout"},
		"all held out":    {table.Splits{Holdout: 1}, numbered(9, nil, nil), table.ErrConfig, "a holdout of 1, want a share"},
		"ordered groups":  {table.Splits{Ordered: true}, numbered(9, nil, func(i int) int { return i }), table.ErrConfig, "folds in time order would split groups: leave out table.Splits.Ordered, or leave out table.Table.Group"},
		"too few rows":    {table.Splits{}, numbered(4, nil, nil), table.ErrShort, "4 rows for 5 folds"},
		"in time":         {table.Splits{Ordered: true}, numbered(4, nil, nil), table.ErrShort, "4 rows for 5 folds"},
		"too few groups":  {table.Splits{}, numbered(9, nil, func(i int) int { return i % 2 }), table.ErrShort, "2 groups for 5 folds"},
		"one group":       {table.Splits{Holdout: 0.5}, numbered(9, nil, func(int) int { return 0 }), table.ErrShort, "1 groups for 1 folds"},
		"little held out": {table.Splits{Holdout: 0.01}, numbered(9, nil, nil), table.ErrShort, "9 rows for 1 folds"},
		"a single row":    {table.Splits{}, numbered(9, func(i int) int { return min(i, 1) }, nil), table.ErrShort, `class "0" has one row`},
	} {
		_, err := c.splits.Split(c.table)
		require.ErrorIs(t, err, c.is, name)
		assert.ErrorContains(t, err, c.says, name)
	}
}
