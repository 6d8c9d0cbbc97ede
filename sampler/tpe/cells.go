package tpe

import "math"

// Limits of the tables of cells: the maximum number of values of a grid with a table, and of entries. A table has at
// least enough rows for a few candidates.
const (
	largeGrid = 1 << 12
	tableSize = 1 << 16
	fewRows   = 8 * candidates
)

// cells computes the masses that the kernels of an axis give to its values, if these are choices or the cells of a
// grid. There are far fewer different kernels than trials, and candidates are often equal. So kernels have classes,
// and a table has the mass that a class gives to a value. A large grid has no table.
type cells struct {
	class   []int32 // [slot], of those that are in; of a choice, its index
	classes map[shape]int32
	shapes  []shape               // [class]
	logs    []float64             // [class], of sigma
	rows    map[int32]int         // of values
	table   []float64             // [row][class], log-mass; NaN until needed
	width   int                   // of a row
	at      [candidates][]float64 // rows of the candidates at hand
}

// shape has the common properties of the kernels of a class.
type shape struct{ mu, sigma float64 }

// clear forgets all classes.
func (c *cells) clear() {
	clear(c.classes)
	clear(c.rows)
	c.shapes, c.logs = c.shapes[:0], c.logs[:0]
}

// classOf returns the class of kernels of the given shape.
func (c *cells) classOf(s shape) int32 {
	class, ok := c.classes[s]
	if !ok {
		if c.classes == nil {
			c.classes, c.rows = map[shape]int32{}, map[int32]int{}
		}
		class = int32(len(c.shapes))
		c.classes[s] = class
		c.shapes, c.logs = append(c.shapes, s), append(c.logs, math.Log(s.sigma))
		if len(c.shapes) > c.width {
			c.width = max(32, 2*c.width)
			clear(c.rows)
		}
	}
	return class
}

// find points c.at to the rows of some values of a grid.
func (c *cells) find(values []float64) {
	most := max(fewRows, tableSize/c.width)
	if len(c.rows)+len(values) > most {
		clear(c.rows)
	}
	for _, v := range values {
		if _, ok := c.rows[int32(v)]; ok {
			continue
		}
		r := len(c.rows)
		c.rows[int32(v)] = r
		if (r+1)*c.width > len(c.table) {
			grown := make([]float64, max(fewRows, min(most, 2*r))*c.width)
			copy(grown, c.table)
			c.table = grown
		}
		row := c.table[r*c.width:][:c.width]
		for k := range row {
			row[k] = math.NaN()
		}
	}
	for i, v := range values {
		c.at[i] = c.table[c.rows[int32(v)]*c.width:][:c.width]
	}
}

// findChoices points c.at to rows for some of n choices, given the log-masses of
// [choiceMasses].
func (c *cells) findChoices(n int, values []float64, hit, miss float64) {
	if c.table == nil {
		c.table = make([]float64, candidates*n)
	}
	for i, v := range values {
		row := c.table[i*n:][:n]
		for k := range row {
			row[k] = miss
		}
		row[int(v)] = hit
		c.at[i] = row
	}
}

// addTabled adds to v, which belongs to candidate i, the log-masses that the kernels of the slots from k on give to a
// value. Terms below the threshold may be skipped: masses are at most 1.
func (c *cells) addTabled(cell cell, i, k int, v *[block]float64, threshold float64) {
	row := c.at[i]
	for s, j := range c.class[k:min(k+block, len(c.class))] {
		mass := row[j]
		if mass != mass {
			if v[s] < threshold {
				continue
			}
			at := c.shapes[j]
			mass = cell.logMass(at.mu, at.sigma, c.logs[j])
			row[j] = mass
		}
		v[s] += mass
	}
}

// addCells does the same without a table.
func (c *column) addCells(cell cell, k int, v *[block]float64, threshold float64) {
	for s, mu := range c.mu[k:min(k+block, len(c.mu))] {
		if v[s] >= threshold {
			v[s] += cell.logMass(mu, c.sigma[k+s], math.Log(c.sigma[k+s]))
		}
	}
}

// A cell is the part of an axis with one value.
type cell struct{ mid, width, logWidth float64 }

func (a *axis) cellOf(value float64) cell {
	mid, width := a.cell(value)
	return cell{mid, width, math.Log(width)}
}

// logMass returns the log-mass, before truncation, that a kernel gives to c.
func (c cell) logMass(mu, sigma, logSigma float64) float64 {
	return logCellMass((c.mid-mu)/sigma, c.width/sigma, c.logWidth-logSigma)
}
