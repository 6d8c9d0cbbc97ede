//go:build ignore

// The command gen writes the assembly of the matrix kernels: go run gen.go.
package main

import (
	"fmt"
	"os"
	"strings"
)

// A kernel computes a panel of C some rows at a time, a row of the panel held in a few
// vector registers.
type kernel struct {
	name    string
	reg     string // register prefix
	vectors int    // registers a row
	bytes   int    // of a register
	rows    int    // at a time, at most
}

var out strings.Builder

func p(format string, args ...any) { fmt.Fprintf(&out, "\t"+format+"\n", args...) }
func label(l string)               { fmt.Fprintf(&out, "%s:\n", l) }

func main() {
	out.WriteString("// Written by gen.go. DO NOT EDIT.\n\n#include \"textflag.h\"\n")
	for _, k := range []kernel{
		{"gemm32AVX512", "Z", 2, 64, 12},
		{"gemm16AVX2", "Y", 2, 32, 6},
		{"gemm8AVX2", "Y", 1, 32, 6},
	} {
		k.write()
	}
	if err := os.WriteFile("gemm_amd64.s", []byte(out.String()), 0o644); err != nil {
		panic(err)
	}
}

// bases point to the first, fourth, seventh and tenth row of A.
var bases = []string{"AX", "R13", "BX", "R12"}

// Registers beside the bases: SI the rows of A to come, R8 its stride; R9 B, R10 its
// stride; DI the rows of C, R11 its stride; DX the rows left.
func (k kernel) write() {
	fmt.Fprintf(&out, "\n// func %s(m, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha, beta float32)\n", k.name)
	fmt.Fprintf(&out, "TEXT ·%s(SB), NOSPLIT, $0-72\n", k.name)
	p("MOVQ m+0(FP), DX")
	p("MOVQ a+16(FP), SI")
	p("MOVQ lda+24(FP), R8")
	p("MOVQ ldb+40(FP), R10")
	p("MOVQ c+48(FP), DI")
	p("MOVQ ldc+56(FP), R11")
	p("SHLQ $2, R8")
	p("SHLQ $2, R10")
	p("SHLQ $2, R11")
	out.WriteString("\n// The last rows are split evenly.\n")
	label("chunk")
	p("CMPQ DX, $%d", 3*k.rows/2+1)
	p("JGE  rows%d", k.rows)
	p("MOVQ DX, AX")
	p("CMPQ DX, $%d", k.rows)
	p("JLE  choose")
	p("INCQ AX")
	p("SHRQ $1, AX")
	label("choose")
	for r := k.rows; r > 1; r-- {
		p("CMPQ AX, $%d", r)
		p("JEQ  rows%d", r)
	}
	for r := 1; r <= k.rows; r++ {
		k.block(r)
	}
	out.WriteString("\n")
	label("done")
	p("VZEROUPPER")
	p("RET")
}

func (k kernel) acc(r, v int) string { return fmt.Sprintf("%s%d", k.reg, r*k.vectors+v) }
func (k kernel) tmp(i int) string    { return fmt.Sprintf("%s%d", k.reg, k.rows*k.vectors+i) }

// block is the work on r rows.
func (k kernel) block(r int) {
	out.WriteString("\n")
	label(fmt.Sprintf("rows%d", r))
	for row := range r {
		for v := range k.vectors {
			if k.reg == "Z" {
				p("VPXORD %[1]s, %[1]s, %[1]s", k.acc(row, v))
			} else {
				p("VXORPS %[1]s, %[1]s, %[1]s", k.acc(row, v))
			}
		}
	}
	used := bases[:(r+2)/3]
	if len(used) > 1 {
		p("LEAQ (R8)(R8*2), CX")
	}
	p("MOVQ SI, AX")
	for i := range used[1:] {
		p("LEAQ (%s)(CX*1), %s", used[i], used[i+1])
	}
	p("MOVQ b+32(FP), R9")
	p("MOVQ k+8(FP), CX")
	p("SHRQ $1, CX")
	p("JZ   rest%d", r)
	label(fmt.Sprintf("two%d", r))
	for i, b := range []string{"(R9)", "(R9)(R10*1)"} {
		k.step(r, 4*i, b)
	}
	for _, base := range used {
		p("ADDQ $8, %s", base)
	}
	p("LEAQ (R9)(R10*2), R9")
	p("DECQ CX")
	p("JNZ  two%d", r)
	label(fmt.Sprintf("rest%d", r))
	p("TESTQ $1, k+8(FP)")
	p("JZ   store%d", r)
	k.step(r, 0, "(R9)")

	label(fmt.Sprintf("store%d", r))
	alpha, beta := k.tmp(0), k.tmp(1)
	p("VBROADCASTSS alpha+64(FP), %s", alpha)
	p("VBROADCASTSS beta+68(FP), %s", beta)
	p("MOVL beta+68(FP), AX")
	p("ADDL AX, AX")
	p("JZ   over%d", r)
	for _, add := range []bool{true, false} {
		if !add {
			label(fmt.Sprintf("over%d", r))
		}
		for row := range r {
			for v := range k.vectors {
				p("VMULPS %s, %s, %s", alpha, k.acc(row, v), k.acc(row, v))
				if add {
					p("VFMADD231PS %d(DI), %s, %s", v*k.bytes, beta, k.acc(row, v))
				}
				p("VMOVUPS %s, %d(DI)", k.acc(row, v), v*k.bytes)
			}
			p("ADDQ R11, DI")
		}
		if add {
			p("JMP  next%d", r)
		}
	}
	label(fmt.Sprintf("next%d", r))
	p("IMUL3Q $%d, R8, AX", r)
	p("ADDQ AX, SI")
	p("SUBQ $%d, DX", r)
	p("JNZ  chunk")
	p("JMP  done")
}

// step adds the products of a column of A, at the offset, with a row of B.
func (k kernel) step(r, offset int, b string) {
	for v := range k.vectors {
		p("VMOVUPS %d%s, %s", v*k.bytes, b, k.tmp(v))
	}
	for row := range r {
		x := k.tmp(k.vectors + row%2)
		p("VBROADCASTSS %d(%s)%s, %s", offset, bases[row/3], []string{"", "(R8*1)", "(R8*2)"}[row%3], x)
		for v := range k.vectors {
			p("VFMADD231PS %s, %s, %s", k.tmp(v), x, k.acc(row, v))
		}
	}
}
