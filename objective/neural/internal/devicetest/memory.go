package devicetest

import (
	"github.com/stretchr/testify/assert"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
)

// memory: a device keeps what is written, and refuses what does not fit.
var memory = []law{
	{"alloc, write and read", func(b *bench) {
		for _, n := range []int{0, 1, 5, 1000, 1<<20 + 5} {
			v := b.d.Alloc(n)
			assert.Equal(b, make([]float32, n), b.get(v))
			x := b.normal(n)
			b.d.Write(v, x)
			assert.Equal(b, x, b.get(v))
		}
		x, y := b.normal(9), make([]float32, 9)
		v := b.vec(x)
		copy(y, x)
		for range 3 { // the source may change after Write has returned
			b.d.Write(v, y)
			y[0]++
		}
		x[0] += 2
		assert.Equal(b, x, b.get(v))
	}},
	{"zero and copy", func(b *bench) {
		for _, n := range lengths {
			x := b.normal(n)
			v, w := b.vec(x), b.unset(n)
			b.d.Copy(w, v)
			assert.Equal(b, x, b.get(w))
			b.d.Zero(v)
			assert.Equal(b, make([]float32, n), b.get(v))
		}
	}},
	{"copy rows", func(b *bench) {
		for _, s := range tables {
			rows, cols := s[0], s[1]
			x, y := b.normal(rows*(cols+2)), b.normal(rows*(cols+3))
			v, w := b.vec(x), b.vec(y)
			b.d.CopyRows(device.M(w.To((rows-1)*(cols+3)+cols), cols+3), device.M(v, cols+2), rows, cols)
			for r := range rows {
				copy(y[r*(cols+3):][:cols], x[r*(cols+2):])
			}
			assert.Equal(b, y, b.get(w))
		}
	}},
	{"what does not fit panics", func(b *bench) {
		three, four := b.vec(make([]float32, 3)), b.vec(make([]float32, 4))
		m := device.M(four, 2)
		for name, f := range map[string]func(){
			"Add":          func() { b.d.Add(four, four, three) },
			"AddRow":       func() { b.d.AddRow(four, three) },
			"AddRows":      func() { b.d.AddRows(three, four) },
			"CopyRows":     func() { b.d.CopyRows(device.M(three, 2), m, 2, 2) },
			"Gemm":         func() { b.d.Gemm(2, 2, 2, 1, m, m, 0, device.M(three, 2)) },
			"Gemm, stride": func() { b.d.Gemm(1, 2, 2, 1, m, m, 0, device.M(four, 1)) },
			"Gemms":        func() { b.d.Gemms(2, 2, 1, 1, 1, m, 1, m, 1, 0, m, 2) },
			"Relu":         func() { b.d.Relu(three, four) },
			"Softmax":      func() { b.d.Softmax(three, three, 2, false) },
			"LSTMCell":     func() { b.d.LSTMCell(three, three, three, four, three, 3) },
			"LayerNorm":    func() { b.d.LayerNorm(four, four, three, four, three, three) },
			"Adam":         func() { b.d.Adam(device.AdamStep{}, four, four, four, four) },
			"Part":         func() { four.Part(2, 5) },
		} {
			assert.Panics(b, f, name)
		}
	}},
}
