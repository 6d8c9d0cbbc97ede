package main

import (
	"html/template"
	"io"
)

// writePage writes the table of a folder as a page that needs no network.
func writePage(w io.Writer, folder string, all []*converted, benchmark bool) error {
	type line struct {
		Cells []string
		Bad   bool
	}
	p := struct {
		Folder, Counts string
		Columns        []string
		Lines          []line
		Benchmark      bool
		Warnings       []string
		Notes          []string
	}{Folder: folder, Counts: counts(all), Columns: columnsOf(benchmark), Benchmark: benchmark}
	for _, r := range all {
		p.Lines = append(p.Lines, line{r.cells(benchmark), r.Verdict == failed || r.Verdict == refused})
		for _, note := range r.Notes {
			p.Notes = append(p.Notes, r.Model+": "+note)
		}
		if r.Warning != "" {
			p.Warnings = append(p.Warnings, r.Warning)
		}
	}
	return convertedPage.Execute(w, p)
}

var convertedPage = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Folder}} as ONNX</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff; }
h1 { font-size: 1.4rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd; vertical-align: top; font-variant-numeric: tabular-nums; }
tr.bad td:last-child { color: #b00020; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818; } th, td { border-color: #444; } tr.bad td:last-child { color: #ff7a8a; } }
</style>
<h1>{{.Folder}} as ONNX</h1>
<p>{{.Counts}}</p>
<div><table>
<tr>{{range .Columns}}<th>{{.}}</th>{{end}}</tr>
{{range .Lines}}<tr{{if .Bad}} class="bad"{{end}}>{{range .Cells}}<td>{{.}}</td>{{end}}</tr>
{{end}}</table></div>
{{if .Benchmark}}<p>native, ONNX: the median time of a call with one row; load: of opening the ONNX file</p>
{{end}}{{range .Notes}}<p>Note: {{.}}</p>
{{end}}{{range .Warnings}}<p>Warning: {{.}}</p>
{{end}}</html>
`))
