package draw

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/vg/recorder"

	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/importance"
	"github.com/attune-hpo/attune/internal/dev/teststudy"
)

// gallery returns every plot of a study, and figures that are hard to draw.
func gallery(t testing.TB, n int) map[string]figure.Figure {
	t.Helper()
	one, two := teststudy.New("walmart/lightgbm", n, false, 1), teststudy.New("trade", n, true, 2)
	must := func(f figure.Figure, err error) figure.Figure {
		require.NoError(t, err)
		return f
	}
	ped, err := importance.PEDANOVA{}.Evaluate(t.Context(), one)
	require.NoError(t, err)
	fanova, err := importance.FANOVA{Trees: 4, Trials: 200}.Evaluate(t.Context(), one)
	require.NoError(t, err)
	all := map[string]figure.Figure{
		"history":      must(plot.History(0, one)),
		"histories":    must(plot.History(0, one, teststudy.New("second", n/2, false, 5), teststudy.New("third", n/2, false, 6))),
		"intermediate": must(plot.Intermediate(one)),
		"edf":          must(plot.EDF(0, one, two)),
		"timeline":     must(plot.Timeline(one)),
		"front":        must(plot.Front(two)),
		"hypervolume":  must(plot.Hypervolume(two)),
		"pedanova":     plot.Importance(ped),
		"fanova":       plot.Importance(fanova),
		"slice":        must(plot.Slice(one, 0)),
		"rank":         must(plot.Rank(one, 0)),
		"contour":      must(plot.Contour(one, 0)),
		"parallel":     must(plot.Parallel(one)),
		"parallel2":    must(plot.Parallel(two)),
	}
	for name, f := range awkward() {
		all[name] = f
	}
	return all
}

// awkward returns figures that have too much of something.
func awkward() map[string]figure.Figure {
	long := strings.Repeat("a very long name ", 20)
	var names []string
	var panels []figure.Panel
	var marks []figure.Mark
	var axes []figure.Axis
	bars := figure.Bars{Colour: figure.Green}
	for i := range 60 {
		names = append(names, fmt.Sprintf("%s%d", long[:i], i))
		panels = append(panels, figure.Panel{Title: long, X: figure.Axis{Label: long}, Y: figure.Axis{Label: long, Hidden: true}, Marks: []figure.Mark{
			figure.Line{Name: names[i], Colour: figure.Nth(i), X: []float64{0, 1}, Y: []float64{1e9, 2e9}}}})
		marks = append(marks, figure.Points{Name: names[i], Colour: figure.Nth(i), X: []float64{float64(i)}, Y: []float64{float64(i % 7)}})
		axes = append(axes, figure.Axis{Label: names[i], Low: -1e-7, High: 123456})
		bars.Length, bars.Deviation, bars.Text = append(bars.Length, float64(i)), append(bars.Deviation, 3), append(bars.Text, "1.23 %")
	}
	parallel := &figure.Parallel{Axes: axes, Lines: [][]float64{make([]float64, 60)}, Shade: []float64{1}}
	parallel.Lines[0][3] = math.NaN()
	line := func(x, y []float64) []figure.Mark { return []figure.Mark{figure.Line{X: x, Y: y}} }
	one := func(x, y figure.Axis, m []figure.Mark) figure.Figure {
		return figure.Figure{Title: long, Panels: []figure.Panel{{X: x, Y: y, Marks: m}}, Notes: []string{long, long, long}}
	}
	return map[string]figure.Figure{
		"many bars":      one(figure.Axis{Label: long}, figure.Axis{Label: long, Scale: figure.Names, Names: names}, []figure.Mark{bars}),
		"many names":     one(figure.Axis{Scale: figure.Names, Names: names}, figure.Axis{}, marks),
		"many panels":    {Title: long, Panels: panels, Shade: &figure.Shade{Label: long, Low: 1e-9, High: 2e-9}},
		"many axes":      {Title: long, Panels: []figure.Panel{{Parallel: parallel}}, Shade: &figure.Shade{Low: 1, High: 1}},
		"huge":           one(figure.Axis{}, figure.Axis{}, line([]float64{-1e300, 1e300}, []float64{1e-300, 1e300})),
		"tiny":           one(figure.Axis{}, figure.Axis{}, line([]float64{5, 5 + 1e-12}, []float64{1e-300, 2e-300})),
		"one point":      one(figure.Axis{}, figure.Axis{Scale: figure.Log}, line([]float64{3}, []float64{1e-30})),
		"logarithms":     one(figure.Axis{Scale: figure.Log}, figure.Axis{Scale: figure.Log}, line([]float64{1e-8, 1e9}, []float64{1, 1e200})),
		"a short log":    one(figure.Axis{Scale: figure.Log}, figure.Axis{Scale: figure.Log}, line([]float64{1000, 1001}, []float64{7, 9})),
		"an hour":        one(figure.Axis{Scale: figure.Time}, figure.Axis{}, line([]float64{1.7e9, 1.7e9 + 3600}, []float64{1, 2})),
		"a millennium":   one(figure.Axis{Scale: figure.Time}, figure.Axis{}, line([]float64{0, 3e10}, []float64{1, 2})),
		"beyond time":    one(figure.Axis{Scale: figure.Time}, figure.Axis{}, line([]float64{-1e15, 1e18}, []float64{1, 2})),
		"nothing":        {},
		"an empty panel": {Panels: []figure.Panel{{}}},
		"no numbers": one(figure.Axis{Scale: figure.Log}, figure.Axis{}, []figure.Mark{
			figure.Line{X: []float64{-1, 0, math.NaN()}, Y: []float64{1, 2, 3}}, figure.Points{X: []float64{1}, Y: []float64{math.Inf(1)}},
			figure.Band{X: []float64{1}}, figure.Spans{From: []float64{1}}, figure.Heat{}, figure.Bars{}}),
	}
}

// No label covers another, and none leaves the image, at any size.
func TestLabelsDoNotOverlap(t *testing.T) {
	for name, f := range gallery(t, 120) {
		for _, o := range []Options{{Width: 320, Height: 240}, {}, {Width: 1600, Height: 1000}} {
			width, height, err := o.size(f)
			require.NoError(t, err)
			p := o.pen(new(recorder.Canvas), width, height)
			p.figure(f)
			image := box{-0.5, -0.5, width + 0.5, height + 0.5}
			for i, a := range p.labels {
				assert.True(t, image.holds(point{a.x0, a.y0}) && image.holds(point{a.x1, a.y1}), "%s, %g x %g: %q leaves the image: %+v", name, width, height, a.text, a.box)
				for _, b := range p.labels[:i] {
					covered := a.x0 < b.x1-0.5 && b.x0 < a.x1-0.5 && a.y0 < b.y1-1 && b.y0 < a.y1-1 // letters seldom fill their line
					assert.False(t, covered, "%s, %g x %g: %q and %q: %+v %+v", name, width, height, a.text, b.text, a.box, b.box)
				}
			}
		}
	}
}

// Other programs can read the images, and all texts in them are text.
func TestFormats(t *testing.T) {
	hostile := `<script>alert("x")</script>&amp;` + "\x00\x1b\xff\n\u202ertl" + strings.Repeat("long", 3000)
	all := gallery(t, 120)
	all["hostile"] = figure.Figure{Title: hostile, Notes: []string{hostile}, Panels: []figure.Panel{{
		Title: hostile, X: figure.Axis{Label: hostile, Scale: figure.Names, Names: []string{hostile, hostile}}, Y: figure.Axis{Label: hostile},
		Marks: []figure.Mark{figure.Line{Name: hostile, X: []float64{0, 1}, Y: []float64{0, 1}}},
	}}}
	for name, f := range all {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, SVG(&b, f, Options{}))
			assert.False(t, strings.Contains(b.String(), "<script"), "a name is a tag")
			assert.Less(t, b.Len(), 1<<20)
			assert.Equal(t, strings.Count(b.String(), "<text "), strings.Count(b.String(), "<text textLength="), "a length for each text")
			d := xml.NewDecoder(&b)
			for {
				_, err := d.Token()
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
			}
			b.Reset()
			require.NoError(t, PNG(&b, f, Options{Width: 400, Height: 300, Scale: 1, Dark: true}))
			image, err := png.Decode(&b)
			require.NoError(t, err)
			assert.Equal(t, 400, image.Bounds().Dx())
			require.NoError(t, HTML(&b, f, Options{}))
			assert.False(t, strings.Contains(b.String(), "<script"), "a name is a tag")
			assert.False(t, strings.Contains(strings.ReplaceAll(b.String(), "http://www.w3.org/", ""), "http"), "it needs nothing from elsewhere")
		})
	}
	for _, o := range []Options{{Width: 100}, {Height: 20000}, {Scale: 11}, {Scale: -1}} {
		require.ErrorContains(t, SVG(io.Discard, figure.Figure{}, o), "draw: SVG: an image of", "%+v", o)
		require.Error(t, PNG(io.Discard, figure.Figure{}, o))
		require.Error(t, HTML(io.Discard, figure.Figure{}, o))
	}
}

// On a dark page every colour changes, also those that let others through, and those of the scale of colours.
func TestInlineColours(t *testing.T) {
	f := figure.Figure{
		Shade: &figure.Shade{Low: 0, High: 1},
		Panels: []figure.Panel{
			{Parallel: &figure.Parallel{Axes: []figure.Axis{{Label: "a"}, {Label: "b"}}, Lines: [][]float64{{0, 1}, {1, 0.5}}, Shade: []float64{0, 1}}},
			{Marks: []figure.Mark{figure.Line{Thin: true, Colour: figure.Pink, X: []float64{0, 1}, Y: []float64{0, 1}}, figure.Band{X: []float64{0, 1}, Low: []float64{0, 0}, High: []float64{1, 1}}}},
		},
	}
	out, err := Inline(f, Options{})
	require.NoError(t, err)
	assert.NotRegexp(t, "(fill|stroke):#", out)
	assert.Contains(t, out, "fill:var(--figure-paper);fill-opacity:")
	assert.Contains(t, out, "stroke:var(--figure-shade-0)")
	assert.Contains(t, Styles(), "--figure-shade-23:"+hex(dark.stepColour(23)))

	f.Panels = []figure.Panel{{Marks: []figure.Mark{figure.Heat{X: []float64{0, 1}, Y: []float64{0, 1}, Value: [][]float64{{0, 1}, {1, 0}}}}}}
	out, err = Inline(f, Options{})
	require.NoError(t, err)
	assert.NotContains(t, out, "--figure-shade", "the heat map is an image in the light scale")
}

// Colours for data stand out from the paper, and from one another for people who lack
// one kind of cones (Viénot, Brettel and Mollon 1999).
func TestColours(t *testing.T) {
	for name, th := range map[string]theme{"light": light, "dark": dark} {
		for c := figure.Ink; c <= figure.Sky; c++ {
			if c != figure.Faint {
				assert.GreaterOrEqual(t, contrast(th.paper, th.colour(c, 1)), 3.0, "%s: colour %d", name, c)
			}
		}
		assert.GreaterOrEqual(t, contrast(th.paper, th.colour(figure.Ink, 1)), 7.0)
		assert.GreaterOrEqual(t, contrast(th.paper, th.colour(figure.Muted, 1)), 4.5)
		for kind, see := range map[string]func(r, g, b float64) (float64, float64, float64){
			"protanopia": func(r, g, b float64) (float64, float64, float64) {
				y := 0.11238*r + 0.88762*g
				return y, y, 0.00401*r - 0.00401*g + b
			},
			"deuteranopia": func(r, g, b float64) (float64, float64, float64) {
				y := 0.29275*r + 0.70725*g
				return y, y, -0.02234*r + 0.02234*g + b
			},
		} {
			for i := range 6 {
				for j := range i {
					r0, g0, b0 := see(linear(th.colour(figure.Nth(i), 1)))
					r1, g1, b1 := see(linear(th.colour(figure.Nth(j), 1)))
					d := math.Cbrt(math.Pow(math.Abs(math.Cbrt(max(0, r0))-math.Cbrt(max(0, r1))), 3) + math.Pow(math.Abs(math.Cbrt(max(0, g0))-math.Cbrt(max(0, g1))), 3) + math.Pow(math.Abs(math.Cbrt(max(0, b0))-math.Cbrt(max(0, b1))), 3))
					assert.Greater(t, d, 0.06, "%s, %s: colours %d and %d", name, kind, j, i)
				}
			}
		}
		last := 0.0
		for i := range shadeSteps {
			c := contrast(th.paper, th.stepColour(i))
			if i > 0 {
				assert.Less(t, c, last, "%s: shade %d", name, i)
			}
			last = c
		}
	}
}

func linear(c color.NRGBA) (r, g, b float64) {
	f := func(v uint8) float64 {
		x := float64(v) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return f(c.R), f(c.G), f(c.B)
}

func contrast(a, b color.NRGBA) float64 {
	luminance := func(c color.NRGBA) float64 { r, g, b := linear(c); return 0.2126*r + 0.7152*g + 0.0722*b }
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		name      string
		scale     figure.Scale
		low, high float64
		n         int
		want      string
	}{
		{"whole numbers", figure.Linear, 0, 10, 5, "0 2 4 6 8 10"},
		{"one decimal", figure.Linear, 0.03, 1.01, 5, "0.2 0.4 0.6 0.8 1.0"},
		{"around zero", figure.Linear, -1, 1, 4, "-1.0 -0.5 0 0.5 1.0"},
		{"millions", figure.Linear, 0, 4e6, 4, "0 1e6 2e6 3e6 4e6"},
		{"small", figure.Linear, 0, 4e-6, 2, "0 2e-6 4e-6"},
		{"close together", figure.Linear, 1e6, 1e6 + 4, 2, "1e6 1.000002e6 1.000004e6"},
		{"decades", figure.Log, -5, 0, 6, "1e-5 1e-4 0.001 0.01 0.1 1"},
		{"every second decade", figure.Log, -5, 0, 3, "1e-4 0.01 1"},
		{"two decades", figure.Log, 0, 2, 6, "1 2 5 10 20 50 100"},
		{"less than a decade", figure.Log, 0, 0.31, 3, "1.0 1.5 2.0"},
		{"minutes", figure.Time, 0, 3600, 5, "00:00 00:15 00:30 00:45 01:00"},
		{"months", figure.Time, 0, 86400 * 100, 5, "1970-01 1970-02 1970-03 1970-04"},
		{"years", figure.Time, -86400 * 800, 86400 * 800, 5, "1968 1969 1970 1971 1972"},
	} {
		var got []string
		for _, k := range ticks(c.scale, c.low, c.high, c.n) {
			got = append(got, k.text)
		}
		assert.Equal(t, c.want, strings.Join(got, " "), c.name)
	}
}

// Thinning and clipping change nothing that is seen.
func TestThinAndClip(t *testing.T) {
	var line []point
	for i := range 5000 {
		line = append(line, point{float64(i) / 50, 50 + 40*math.Sin(float64(i)*1.7)})
	}
	short := thin(line)
	assert.LessOrEqual(t, len(short), 4*100)
	for column := range 100 {
		low, high := nothing(), nothing()
		for _, p := range line {
			if int(p.x) == column {
				low.add(figure.Linear, p.y)
			}
		}
		for _, p := range short {
			if int(p.x) == column {
				high.add(figure.Linear, p.y)
			}
		}
		assert.Equal(t, low, high)
	}
	b := box{0, 0, 10, 10}
	assert.Equal(t, [][]point{{{0, 5}, {5, 5}, {5, 10}}}, clip([]point{{-5, 5}, {5, 5}, {5, 20}}, b))
	assert.Equal(t, [][]point{{{5, 5}, {10, 5}}, {{10, 6}, {5, 6}}}, clip([]point{{5, 5}, {15, 5}, {15, 6}, {5, 6}}, b))
	assert.Empty(t, clip([]point{{-1, -1}, {-1, 20}}, b))
}

func TestFit(t *testing.T) {
	f := smallFace()
	assert.Equal(t, "short", f.fit("short", 100))
	assert.Equal(t, "", f.fit("anything", 3))
	long := f.fit(strings.Repeat("word ", 50), 100)
	assert.True(t, strings.HasSuffix(long, "d…") || strings.HasSuffix(long, "…"))
	assert.LessOrEqual(t, f.measure(long), 100.0)
	assert.Equal(t, "a b�c", clean("a\nb\x00c"))
}

// GALLERY=folder writes all figures, to be looked at.
func TestGallery(t *testing.T) {
	dir := os.Getenv("GALLERY")
	if dir == "" {
		t.Skip("GALLERY names no folder to write figures to")
	}
	for name, f := range gallery(t, 200) {
		for suffix, o := range map[string]Options{"": {Scale: 1}, "-dark": {Scale: 1, Dark: true, Width: 420}} {
			w, err := os.Create(filepath.Join(dir, name+suffix+".png"))
			require.NoError(t, err)
			require.NoError(t, PNG(w, f, o))
			require.NoError(t, w.Close())
		}
	}
}

func BenchmarkSVG(b *testing.B) {
	one, two := teststudy.New("one", 10000, false, 1), teststudy.New("two", 10000, true, 2)
	for name, f := range map[string]func() (figure.Figure, error){
		"history":      func() (figure.Figure, error) { return plot.History(0, one) },
		"intermediate": func() (figure.Figure, error) { return plot.Intermediate(one) },
		"edf":          func() (figure.Figure, error) { return plot.EDF(0, one) },
		"timeline":     func() (figure.Figure, error) { return plot.Timeline(one) },
		"front":        func() (figure.Figure, error) { return plot.Front(two) },
		"hypervolume":  func() (figure.Figure, error) { return plot.Hypervolume(two) },
		"slice":        func() (figure.Figure, error) { return plot.Slice(one, 0) },
		"rank":         func() (figure.Figure, error) { return plot.Rank(one, 0) },
		"contour":      func() (figure.Figure, error) { return plot.Contour(one, 0) },
		"parallel":     func() (figure.Figure, error) { return plot.Parallel(one) },
		"importance": func() (figure.Figure, error) {
			r, err := importance.PEDANOVA{}.Evaluate(b.Context(), one)
			return plot.Importance(r), err
		},
	} {
		b.Run(name, func(b *testing.B) {
			var out bytes.Buffer
			for b.Loop() {
				out.Reset()
				fig, err := f()
				require.NoError(b, err)
				require.NoError(b, SVG(&out, fig, Options{}))
			}
			b.ReportMetric(float64(out.Len()), "bytes")
		})
	}
}

// Places are where the picture has the marks, on whatever scale, and each has its key.
func TestFind(t *testing.T) {
	f := figure.Figure{Title: "Places", Panels: []figure.Panel{{
		X: figure.Axis{Label: "x", Low: 0, High: 10, Field: "x"}, Y: figure.Axis{Label: "y", Scale: figure.Log, Low: 1, High: 100},
		Marks: []figure.Mark{
			figure.Points{X: []float64{0, 5, math.NaN(), 10}, Y: []float64{1, 10, 10, 100}, Keys: []int{7, 8, 9, 10}},
			figure.Points{X: []float64{3}, Y: []float64{3}}, // no keys
		},
	}, {Parallel: &figure.Parallel{
		Axes:  []figure.Axis{{Label: "a", Low: 0, High: 1, Field: "a"}, {Label: "b", Scale: figure.Names, Names: []string{"p", "q"}}},
		Lines: [][]float64{{0.5, 1}, {0, math.NaN()}}, Shade: []float64{0, 1}, Keys: []int{3, 4},
	}}}, Shade: &figure.Shade{Low: 0, High: 1}}
	found, err := Find(f, Options{})
	require.NoError(t, err)
	require.Len(t, found.Areas, 3)
	a := found.Areas[0]
	require.Len(t, a.Places, 3)
	for _, p := range a.Places {
		share := map[int]float64{7: 0, 8: 0.5, 10: 1}[p.Key]
		assert.InDelta(t, a.X0+share*(a.X1-a.X0), p.X, 1e-6)
		assert.InDelta(t, a.Y1+share*(a.Y0-a.Y1), p.Y, 1e-6)
	}
	assert.Equal(t, [4]float64{0, 10, 2, 0}, [4]float64{a.X.From, a.X.To, a.Y.From, a.Y.To}, "the top is the high end")
	assert.Equal(t, "x", a.X.Field)
	b, c := found.Areas[1], found.Areas[2]
	require.Len(t, b.Places, 2)
	require.Len(t, c.Places, 1, "the other has no value there")
	assert.Equal(t, [2]float64{-0.5, 1.5}, [2]float64{c.Y.From, c.Y.To}, "names go down")
	assert.InDelta(t, c.Y0+0.75*(c.Y1-c.Y0), c.Places[0].Y, 1e-6)
	assert.Equal(t, 3, c.Places[0].Key)
	many := figure.Line{}
	for i := range 20_000 {
		many.X, many.Y, many.Keys = append(many.X, float64(i)), append(many.Y, float64(i%7)), append(many.Keys, i)
	}
	found, err = Find(figure.Figure{Panels: []figure.Panel{{Marks: []figure.Mark{many}}}}, Options{})
	require.NoError(t, err)
	assert.Len(t, found.Areas[0].Places, 6000)
	_, err = Find(f, Options{Width: 1})
	require.ErrorContains(t, err, "draw: places: an image of 1 x")
}
