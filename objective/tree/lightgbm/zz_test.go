package lightgbm_test
import ("testing";"context"
"github.com/attune-hpo/attune/objective/tree/engine"
"github.com/attune-hpo/attune/objective/tree/lightgbm"
"github.com/attune-hpo/attune/objective/tree/internal/enginetest"
"github.com/attune-hpo/attune/objective/tree")
func BenchmarkZZ(b *testing.B){
 tr:=friedman(10000)
 m,_:=lightgbm.Engine{}.Fit(context.Background(), tr, engine.Dataset{}, engine.Params{Trees:500}, nil)
 p,_:=tree.NewPredictor(m,1); rows:=enginetest.Rows(tr); out:=make([]float64,1); i:=0
 for b.Loop(){ p.PredictRaw(rows[i*20:i*20+20],out); i=(i+1)%10000 }
}
