package gp

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// minimize walks downhill from x in the box [low, high] and leaves x where it
// ends: a limited-memory quasi-Newton method (Nocedal, "Updating Quasi-Newton
// Matrices with Limited Storage", Math. Comp. 35, 1980) on the coordinates that no
// bound holds, projected onto the box (Bertsekas, "Projected Newton Methods",
// SIAM J. Control Optim. 20, 1982). f returns the value at x and writes the
// gradient; a value of NaN counts as +Inf. It ends after at most the given number
// of calls of f, or when the projected gradient is shorter than tolerance.
func minimize(f func(x, grad []float64) float64, x, low, high []float64, calls int, tolerance float64) float64 {
	d := len(x)
	project := func(x []float64) {
		for i := range x {
			x[i] = math.Min(math.Max(x[i], low[i]), high[i])
		}
	}
	project(x)
	grad := make([]float64, d)
	value := f(x, grad)
	calls--
	if math.IsNaN(value) {
		return math.Inf(1)
	}
	const memory = 8
	var steps, turns [][]float64 // differences of x and of the gradient; the oldest first
	next, nextGrad, direction := make([]float64, d), make([]float64, d), make([]float64, d)
	free := make([]bool, d)
	for calls > 0 {
		slope := 0.0
		for i, g := range grad {
			free[i] = !(x[i] <= low[i] && g > 0 || x[i] >= high[i] && g < 0)
			if free[i] {
				slope = math.Max(slope, math.Abs(g))
			}
		}
		if slope < tolerance {
			break
		}
		quasiNewton(direction, grad, steps, turns, free)
		descent := floats.Dot(direction, grad)
		if !(descent < 0) {
			steps, turns = nil, nil
			quasiNewton(direction, grad, nil, nil, free)
			descent = floats.Dot(direction, grad)
		}
		size := 1.0
		if len(steps) == 0 { // the curvature is unknown: a small step
			size = math.Min(1, 0.2/slope)
		}
		improved := false
		var nextValue float64
		for range 12 {
			floats.AddScaledTo(next, x, size, direction)
			project(next)
			nextValue = f(next, nextGrad)
			calls--
			if nextValue <= value+1e-4*size*descent {
				improved = true
				break
			}
			if calls <= 0 {
				break
			}
			size *= 0.4
		}
		if !improved {
			if len(steps) == 0 {
				break
			}
			steps, turns = nil, nil
			continue
		}
		step, turn := make([]float64, d), make([]float64, d)
		floats.SubTo(step, next, x)
		floats.SubTo(turn, nextGrad, grad)
		if floats.Dot(step, turn) > 1e-12*floats.Dot(step, step) {
			if len(steps) == memory {
				steps, turns = slices.Delete(steps, 0, 1), slices.Delete(turns, 0, 1)
			}
			steps, turns = append(steps, step), append(turns, turn)
		}
		gain := value - nextValue
		copy(x, next)
		copy(grad, nextGrad)
		value = nextValue
		if gain <= 1e-10*math.Max(1, math.Abs(value)) {
			break
		}
	}
	return value
}

// quasiNewton sets direction to -H·grad on the free coordinates and to 0 on the
// others, H being the two-loop estimate of the inverse Hessian.
func quasiNewton(direction, grad []float64, steps, turns [][]float64, free []bool) {
	masked := func(v []float64) {
		for i := range v {
			if !free[i] {
				v[i] = 0
			}
		}
	}
	copy(direction, grad)
	masked(direction)
	alphas := make([]float64, len(steps))
	for k := len(steps) - 1; k >= 0; k-- {
		alphas[k] = floats.Dot(steps[k], direction) / floats.Dot(steps[k], turns[k])
		floats.AddScaled(direction, -alphas[k], turns[k])
	}
	if k := len(steps) - 1; k >= 0 {
		floats.Scale(floats.Dot(steps[k], turns[k])/floats.Dot(turns[k], turns[k]), direction)
	}
	for k := range steps {
		beta := floats.Dot(turns[k], direction) / floats.Dot(steps[k], turns[k])
		floats.AddScaled(direction, alphas[k]-beta, steps[k])
	}
	floats.Scale(-1, direction)
	masked(direction)
}
