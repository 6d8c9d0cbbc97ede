package dashboard

import (
	"cmp"
	"net/http"
	"net/url"
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
	Summary                              trial.Summary
	Error                                string
}

// rowOf returns the line of a study.
func rowOf(h trial.Snapshot) studyRow {
	row := studyRowOf(h.Header())
	row.Summary = h.Summary()
	row.Latest = instant(row.Summary.Latest)
	if best := row.Summary.Best; best != nil {
		row.Best = number(best.Values[0])
	}
	return row
}

// studyRowOf returns what is known of a study that is not read.
func studyRowOf(h trial.Header) studyRow {
	return studyRow{Name: h.Name, Link: "study" + with(&url.URL{}, "name", h.Name), Goal: goal(h)}
}

// list shows the studies of the storage whose names contain ?search.
func (d *Dashboard) list(w http.ResponseWriter, r *http.Request) error {
	all, err := study.List(r.Context(), d.studies.store)
	if err != nil {
		return err
	}
	search := r.URL.Query().Get("search")
	var headers []trial.Header
	for _, h := range all {
		if strings.Contains(strings.ToLower(h.Name), strings.ToLower(search)) {
			headers = append(headers, h)
		}
	}
	data := struct {
		Title, Search string
		All           int
		Rows          []studyRow
		Pager         pager
	}{Title: "Studies", Search: search, All: len(all)}
	var from, to int
	data.Pager, from, to = paged(r.URL, len(headers), studiesPerPage)
	for _, h := range headers[from:to] {
		s, err := d.studies.snapshot(r.Context(), h.Name)
		row := studyRowOf(h)
		if err != nil {
			row.Error = "cannot be read"
			d.config.Log.ErrorContext(r.Context(), "dashboard", "study", h.Name, "error", err)
		} else {
			row = rowOf(s)
		}
		data.Rows = append(data.Rows, row)
	}
	d.execute(w, "list.html", data)
	return nil
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
