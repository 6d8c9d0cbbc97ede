package tree

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/attune-hpo/attune/objective/internal/pickle"
)

// pickledNames allows the names that models contain. Whole packages are safe to allow,
// because nothing is called.
func pickledNames(g pickle.Global) bool {
	switch pkg, _, _ := strings.Cut(g.Module, "."); pkg {
	case "sklearn", "numpy", "scipy", "lightgbm", "xgboost", "catboost",
		"_loss", "_catboost": // some builds name sklearn._loss and catboost._catboost so
		return true
	case "builtins":
		switch g.Name {
		case "bool", "int", "float", "str", "list", "tuple", "dict", "range", "getattr":
			return true
		}
	}
	return g == pickle.Global{Module: "functools", Name: "partial"}
}

// PickledNames reports whether [ReadPickled] knows the package of a name in a pickle.
func PickledNames(g pickle.Global) bool { return pickledNames(g) }

// ReadPickled converts an object in a pickle to a model. The object is an estimator of
// scikit-learn, LightGBM, XGBoost or CatBoost, or a booster. size is the number of bytes of
// the file, which bounds the memory that the object can make ReadPickled allocate. It is for
// packages of this module that find such objects inside others.
func ReadPickled(o ReadOptions, root any, size int) (*Model, Source, error) {
	r := newReading(nil, o)
	r.size, r.packed, r.words = size, size, 1<<20+16*size
	r.inside = true
	return r.pickled(root)
}

// pickled reads an object by the library of its class.
func (r *reading) pickled(root any) (*Model, Source, error) {
	o, _ := root.(*pickle.Object)
	library := ""
	if o != nil {
		library, _, _ = strings.Cut(o.Class.Module, ".")
	}
	switch library {
	case "sklearn":
		m, err := sklModel(r, r.packed, root)
		return r.finish("scikit-learn", m, err)
	case "lightgbm":
		m, err := r.pickledLightGBM(o)
		return r.finish("LightGBM's "+o.Class.Name, m, err)
	case "xgboost":
		m, err := r.pickledXGBoost(o)
		return r.finish("XGBoost's "+o.Class.Name, m, err)
	case "catboost", "_catboost":
		m, err := r.pickledCatBoost(o)
		return r.finish("CatBoost's "+o.Class.Name, m, err)
	}
	return r.finish("a pickle", nil, unsupported("%s: want a model of scikit-learn by itself, or an estimator or booster of LightGBM, XGBoost or CatBoost", pickle.Kind(root)))
}

// ownMissing refuses an estimator of XGBoost that takes a number for missing, which a Model
// does not: package pipeline puts a step before it.
func ownMissing(root any) error {
	o, ok := root.(*pickle.Object)
	if !ok || !strings.HasPrefix(o.Class.Module, "xgboost.") {
		return nil
	}
	if x, ok := pickle.Float(o.Get("missing")); ok && x == x {
		return unsupported("%s with missing=%v: read it with package pipeline, or replace %v by NaN before training", o.Class.Name, x, x)
	}
	return nil
}

// booster returns the object inside an estimator that holds its trees, or the object itself.
func booster(o *pickle.Object) (*pickle.Object, error) {
	if o.Class.Name == "Booster" {
		return o, nil
	}
	for o.Class.Name != "Booster" {
		inner, ok := o.Get("_Booster").(*pickle.Object)
		if !ok {
			return nil, fmt.Errorf("_Booster is %s: is the model fitted?", pickle.Kind(o.Get("_Booster")))
		}
		o = inner
	}
	return o, nil
}

// pickledLightGBM reads an LGBMModel or a Booster. Both predict with the trees up to the best
// iteration, if there is one.
func (r *reading) pickledLightGBM(o *pickle.Object) (*Model, error) {
	b, err := booster(o)
	if err != nil {
		return nil, err
	}
	text, ok := b.Get("_handle").(string)
	if !ok {
		if text, ok = b.Get("handle").(string); !ok { // before 4.0
			return nil, fmt.Errorf("the booster's _handle is %s, not a str", pickle.Kind(b.Get("_handle")))
		}
	}
	m, err := lightGBM(r, text)
	if err != nil || r.AllTrees {
		return m, err
	}
	if best, ok := pickle.Int(b.Get("best_iteration")); ok && best > 0 {
		all := len(m.Trees)
		m.Trees = m.Trees[:min(int64(best)*int64(m.Outputs), int64(all))]
		r.taken(len(m.Trees), all)
	}
	return m, nil
}

// pickledXGBoost reads an XGBModel or a Booster. A Booster predicts with all its trees.
func (r *reading) pickledXGBoost(o *pickle.Object) (*Model, error) {
	b, err := booster(o)
	if err != nil {
		return nil, err
	}
	raw, ok := b.Get("handle").([]byte)
	if !ok {
		return nil, fmt.Errorf("the booster's handle is %s, not bytes", pickle.Kind(b.Get("handle")))
	}
	if !bytes.HasPrefix(raw, []byte("{")) {
		return nil, unsupported(`a booster in XGBoost's old binary format: load it with XGBoost 3.0 or older, and save it with model.save_model("m.json")`)
	}
	doc, _, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if b == o {
		r.AllTrees = true
	}
	return xgBoost(r, doc)
}

// pickledCatBoost reads a CatBoost, CatBoostRegressor and so on.
func (r *reading) pickledCatBoost(o *pickle.Object) (*Model, error) {
	raw, ok := o.Get("__model").([]byte)
	if !ok {
		return nil, fmt.Errorf("__model is %s, not bytes: is the model fitted?", pickle.Kind(o.Get("__model")))
	}
	return catBoostBinary(r, raw)
}
