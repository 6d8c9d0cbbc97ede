package dashboard

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/attune-hpo/attune/export/plot"
)

// mostCompared is how many studies are compared at once: there are six colours.
const mostCompared = 6

// compare shows two studies or more side by side: ?name of each, in the plots that show
// several.
func (d *Dashboard) compare(w http.ResponseWriter, r *http.Request) error {
	names := r.URL.Query()["name"]
	if len(names) < 2 || len(names) > mostCompared {
		return problem{http.StatusBadRequest, "Choose 2 to 6 studies to compare."}
	}
	data := struct {
		Title, Problem string
		Rows           []studyRow
		Plots          []plotLink
	}{Title: "Comparison"}
	var versions, goals []string
	for _, name := range names {
		x, err := d.index(r.Context(), name)
		if err != nil {
			return err
		}
		row := rowOf(x.summary)
		row.Took = row.Summary.Took.Round(time.Second).String()
		data.Rows, versions, goals = append(data.Rows, row), append(versions, x.key.version), append(goals, row.Goal)
	}
	for _, g := range goals[1:] {
		if g != goals[0] {
			data.Problem = "Their objectives differ: their values may mean different things."
		}
	}
	q := url.Values{"name": names[:1], "also": names[1:], "v": {strings.Join(versions, ".")}}
	for _, k := range plot.Kinds() {
		if k.Several {
			base := &url.URL{RawQuery: q.Encode() + "&width=" + strconv.Itoa(half)}
			data.Plots = append(data.Plots, plotLink{Name: k.Name, About: k.About,
				Light: "plot.svg" + with(base, "kind", k.Name), Dark: "plot.svg" + with(base, "kind", k.Name, "theme", "dark")})
		}
	}
	d.execute(w, r, "compare.html", data)
	return nil
}
