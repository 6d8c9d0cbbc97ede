package onnx

import (
	"fmt"

	"github.com/attune-hpo/attune/export/internal/treecheck"
)

// treeRules are the rules of ai.onnx.ml.
var treeRules = map[string]rule{
	"TreeEnsemble":           {1, inferTrees},
	"TreeEnsembleRegressor":  {1, inferTrees},
	"TreeEnsembleClassifier": {1, inferTrees},
	"LabelEncoder":           {1, inferLabels},
}

// inferLabels infers LabelEncoder, since ai.onnx.ml 2: a value for each key.
func inferLabels(n *Node, in []fact) ([]fact, error) {
	out := fact{dims: in[0].dims}
	switch {
	case n.Attr("values_strings") != nil:
		out.typ = Texts
	case n.Attr("values_int64s") != nil:
		out.typ = Int64
	case n.Attr("values_floats") != nil:
		out.typ = Float32
	}
	return []fact{out}, nil
}

func inferTrees(n *Node, in []fact) ([]fact, error) {
	rows := in[0]
	if rows.ranked() && len(rows.dims) > 2 {
		return nil, fmt.Errorf("rows of %d dimensions", len(rows.dims))
	}
	attrs := make(map[string]treecheck.Attr, len(n.Attrs))
	for _, a := range n.Attrs {
		attrs[a.Name] = plainAttr(a.Value)
	}
	width := int64(-1)
	if d := rows.last(); d.known() {
		width = d.Size
	}
	targets, err := treecheck.Node(n.Op, attrs, width)
	if err != nil {
		return nil, err
	}
	typ := Float32
	if n.Op == "TreeEnsemble" {
		typ = DataType(attrs["nodes_splits"].Type)
		if rows.typ != 0 && rows.typ != typ {
			return nil, fmt.Errorf("rows of %v for splits of %v", rows.typ, typ)
		}
	}
	out := fact{typ: typ, dims: []Dim{Unknown, {Size: targets}}}
	if len(rows.dims) == 2 {
		out.dims[0] = rows.dims[0]
	}
	if n.Op == "TreeEnsembleClassifier" { // classes, and a number for each
		return make([]fact, 2), nil
	}
	return []fact{out}, nil
}

func plainAttr(v AttrValue) treecheck.Attr {
	switch v := v.(type) {
	case Int:
		return treecheck.Attr{Int: int64(v)}
	case Ints:
		return treecheck.Attr{Ints: v, N: len(v)}
	case Floats:
		return treecheck.Attr{N: len(v)}
	case Strings:
		a := treecheck.Attr{N: len(v)}
		for _, s := range v {
			a.Modes = append(a.Modes, treecheck.ModeOf(s))
		}
		return a
	case Tensor:
		a := treecheck.Attr{Type: int64(v.Type), Raw: v.Raw, N: -1}
		if v.check() == nil {
			a.N = len(v.Raw) / v.Type.size()
		}
		return a
	}
	return treecheck.Attr{}
}
