package dashboard

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

const (
	studiesPerPage = 30
	trialsPerPage  = 50
)

// A pager describes the pages of a long list.
type pager struct {
	Page, Pages, Items int    // Page counts from 1
	Previous, Next     string // addresses, "" for none
}

// paged returns the pager for a request for a list, and the range of the list to show.
func paged(u *url.URL, items, perPage int) (p pager, from, to int) {
	p = pager{Items: items, Pages: max(1, (items+perPage-1)/perPage)}
	asked, _ := strconv.Atoi(u.Query().Get("page"))
	p.Page = max(1, min(asked, p.Pages))
	if p.Page > 1 {
		p.Previous = with(u, "page", strconv.Itoa(p.Page-1))
	}
	if p.Page < p.Pages {
		p.Next = with(u, "page", strconv.Itoa(p.Page+1))
	}
	return p, (p.Page - 1) * perPage, min(p.Page*perPage, items)
}

// with returns the query of an address as a relative link, with some values replaced: a key, its
// value, ...
func with(u *url.URL, pairs ...string) string {
	q := u.Query()
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		} else {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return "?" + q.Encode()
}

// studyRow is a line of a list of studies.
type studyRow struct {
	Name, Link, Goal, Best, Latest, Took string
	Light, Dark                          string // the sparkline
	Summary                              trial.Summary
	Error                                string
}

// rowOf returns the line of a study.
func rowOf(s trial.Summary) studyRow {
	row := studyRow{Name: s.Header.Name, Link: "study" + with(&url.URL{}, "name", s.Header.Name), Goal: goal(s.Header), Summary: s, Latest: instant(s.Latest)}
	if s.Best != nil {
		row.Best = number(s.Best.Values[0])
	}
	row.Light = "spark.svg" + with(&url.URL{}, "name", s.Header.Name, "v", strconv.Itoa(s.Complete))
	row.Dark = row.Light + "&theme=dark"
	return row
}

// A studyField is a column by which the list of studies can be sorted.
type studyField struct {
	name string
	less func(a, b *trial.Summary) int
}

// studyFields are what the list of studies can be sorted by.
var studyFields = []studyField{
	{"study", func(a, b *trial.Summary) int { return strings.Compare(a.Header.Name, b.Header.Name) }},
	{"best", func(a, b *trial.Summary) int { return cmp.Compare(bestOf(a), bestOf(b)) }},
	{"objective", func(a, b *trial.Summary) int { return strings.Compare(goal(a.Header), goal(b.Header)) }},
	{"complete", func(a, b *trial.Summary) int { return cmp.Compare(a.Complete, b.Complete) }},
	{"pruned", func(a, b *trial.Summary) int { return cmp.Compare(a.Pruned, b.Pruned) }},
	{"failed", func(a, b *trial.Summary) int { return cmp.Compare(a.Failed, b.Failed) }},
	{"running", func(a, b *trial.Summary) int { return cmp.Compare(a.Running, b.Running) }},
	{"waiting", func(a, b *trial.Summary) int { return cmp.Compare(a.Waiting, b.Waiting) }},
	{"latest", func(a, b *trial.Summary) int { return a.Latest.Compare(b.Latest) }},
}

// bestOf returns the best value, or NaN, which comes before all numbers.
func bestOf(s *trial.Summary) float64 {
	if s.Best == nil {
		return math.NaN()
	}
	return s.Best.Values[0]
}

// A listPage is the content of the list of studies.
type listPage struct {
	Title, Search string
	All           int
	Columns       []column
	Rows          []studyRow
	Pager         pager
}

// list shows the studies of the storage whose names contain ?search, sorted by ?sort, ?down.
func (d *Dashboard) list(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	by := slices.IndexFunc(studyFields, func(f studyField) bool { return f.name == cmp.Or(q.Get("sort"), "study") })
	if by < 0 {
		return problem{http.StatusBadRequest, fmt.Sprintf("The list has no column %q.", q.Get("sort"))}
	}
	all, whole, err := d.summaries(r.Context())
	if err == nil && !whole {
		all, err = d.headers(r.Context(), by == 0)
	}
	if err != nil {
		return err
	}
	p := listPage{Title: "Studies", Search: q.Get("search"), All: len(all)}
	var found []trial.Summary
	for _, s := range all {
		if strings.Contains(strings.ToLower(s.Header.Name), strings.ToLower(p.Search)) {
			found = append(found, s)
		}
	}
	slices.SortStableFunc(found, func(a, b trial.Summary) int {
		by := studyFields[by].less(&a, &b)
		if q.Has("down") {
			return -by
		}
		return by
	})
	for i, f := range studyFields {
		c := column{Name: f.name, Sort: "none", Link: with(r.URL, "sort", f.name, "page", "", "down", "")}
		if f.name == "latest" {
			c.Name = "latest trial (UTC)"
		}
		if i == by {
			c.Arrow, c.Sort = "↑", "ascending"
			if q.Has("down") {
				c.Arrow, c.Sort = "↓", "descending"
			} else {
				c.Link = with(r.URL, "sort", f.name, "page", "", "down", "1")
			}
		}
		p.Columns = append(p.Columns, c)
	}
	var from, to int
	p.Pager, from, to = paged(r.URL, len(found), studiesPerPage)
	for _, s := range found[from:to] {
		row := rowOf(s)
		if !whole {
			if x, err := d.index(r.Context(), s.Header.Name); err != nil {
				row.Error = "cannot be read"
				d.config.Log.ErrorContext(r.Context(), "dashboard", "study", s.Header.Name, "error", err)
			} else {
				row = rowOf(x.summary)
			}
		}
		p.Rows = append(p.Rows, row)
	}
	d.execute(w, r, "list.html", p)
	return nil
}

// headers returns the summaries of a storage that cannot tell them: with nothing but the header
// or, unless brief, with what reading each study gives.
func (d *Dashboard) headers(ctx context.Context, brief bool) ([]trial.Summary, error) {
	headers, err := study.List(ctx, d.studies.store)
	all := make([]trial.Summary, len(headers))
	for i, h := range headers {
		all[i].Header = h
		if brief {
			continue
		}
		if s, _, err := d.snapshot(ctx, h.Name); err == nil { // the list shows the error, if it comes to that study
			all[i] = s.Summary()
		}
	}
	return all, err
}

// goal describes the objectives of a study.
func goal(h trial.Header) string {
	var all []string
	for i := range h.Objectives() {
		text := h.Direction(i).String()
		if names := h.Metrics(); i < len(names) {
			text += " " + names[i]
		}
		all = append(all, text)
	}
	return cmp.Or(strings.Join(all, ", "), "minimize")
}
