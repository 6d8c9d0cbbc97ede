#include "textflag.h"

// The twins of the plain functions. Where a function takes vectors, it is the number of
// vectors of eight elements, above 0; DX holds the table of constants.

#define ROUND   0(DX)
#define LOG2E   32(DX)
#define LN2HI   64(DX)
#define LN2LO   96(DX)
#define POLY4   128(DX)
#define POLY3   160(DX)
#define POLY2   192(DX)
#define POLY1   224(DX)
#define POLY0   256(DX)
#define ONE     288(DX)
#define LOW     320(DX)
#define HIGH    352(DX)
#define TOP     384(DX)
#define SIGN    416(DX)
#define REST    448(DX)
#define TWO     480(DX)

// em and n for eˣ = 2ⁿ(1+em), n in the low bits of n; x is lost.
#define EXPM1(x, n, r, em) \
	VMOVUPS     ROUND, n     \
	VFMADD231PS LOG2E, x, n  \
	VSUBPS      ROUND, n, r  \
	VFMADD231PS LN2HI, r, x  \
	VFMADD231PS LN2LO, r, x  \
	VMOVUPS     POLY4, em    \
	VFMADD213PS POLY3, x, em \
	VFMADD213PS POLY2, x, em \
	VFMADD213PS POLY1, x, em \
	VFMADD213PS POLY0, x, em \
	VMULPS      x, x, r      \
	VFMADD213PS x, r, em

// z = (1+em)·2ⁿ, in two steps, for 2ⁿ may be too great or small; n and r are lost.
#define SCALE(n, r, em, z) \
	VPSUBD ROUND, n, n  \
	VPSRAD $1, n, r     \
	VPSUBD r, n, n      \
	VPSLLD $23, r, r    \
	VPSLLD $23, n, n    \
	VPADDD ONE, r, r    \
	VPADDD ONE, n, n    \
	VADDPS ONE, em, em  \
	VMULPS r, em, em    \
	VMULPS n, em, z

// The comparisons let a NaN in x through: it is the second of their operands.
// lower and upper are registers with the bounds.

#define EXP(x, y, n, r, em, lower, upper) \
	VMAXPS x, lower, x     \
	VMINPS x, upper, x     \
	EXPM1(x, n, r, em)     \
	SCALE(n, r, em, y)

#define SIGMOID(x, y, n, r, em, lower) \
	VORPS     SIGN, x, y       \
	VMAXPS    y, lower, y      \
	EXPM1(y, n, r, em)         \
	SCALE(n, r, em, em)        \
	VMOVUPS   ONE, r           \
	VADDPS    r, em, n         \
	VBLENDVPS x, em, r, r      \
	VDIVPS    n, r, y

#define TANH(x, y, n, r, em, upper) \
	VANDPS      REST, x, y     \
	VADDPS      y, y, y        \
	VMINPS      y, upper, y    \
	EXPM1(y, n, r, em)         \
	VPSLLD      $23, n, n      \
	VPADDD      ONE, n, n      \
	VSUBPS      ONE, n, r      \
	VFMADD213PS r, n, em       \
	VADDPS      TWO, em, r     \
	VDIVPS      r, em, y       \
	VANDPS      SIGN, x, r     \
	VORPS       r, y, y

// func expVectors(dst, src *float32, vectors int, table *[16][8]float32)
TEXT ·expVectors(SB), NOSPLIT, $0-32
	MOVQ    dst+0(FP), DI
	MOVQ    src+8(FP), SI
	MOVQ    vectors+16(FP), CX
	MOVQ    table+24(FP), DX
	XORQ    AX, AX
	VMOVUPS LOW, Y15
	VMOVUPS HIGH, Y14

next:
	VMOVUPS (SI)(AX*1), Y0
	EXP(Y0, Y0, Y1, Y2, Y3, Y15, Y14)
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ    $32, AX
	DECQ    CX
	JNZ     next
	VZEROUPPER
	RET

// func lstmCellVectors(h, c, tanhC, gates, cPrev *float32, hidden, vectors int, table *[16][8]float32)
TEXT ·lstmCellVectors(SB), NOSPLIT, $0-64
	MOVQ    h+0(FP), DI
	MOVQ    c+8(FP), SI
	MOVQ    tanhC+16(FP), R11
	MOVQ    gates+24(FP), BX
	MOVQ    cPrev+32(FP), R10
	MOVQ    hidden+40(FP), R8
	MOVQ    vectors+48(FP), CX
	MOVQ    table+56(FP), DX
	SHLQ    $2, R8
	LEAQ    (R8)(R8*2), R9
	XORQ    AX, AX
	VMOVUPS LOW, Y15
	VMOVUPS TOP, Y14

next:
	VMOVUPS     (BX), Y0
	SIGMOID(Y0, Y4, Y1, Y2, Y3, Y15)
	VMOVUPS     Y4, (BX)
	VMOVUPS     (BX)(R8*1), Y0
	SIGMOID(Y0, Y5, Y1, Y2, Y3, Y15)
	VMOVUPS     Y5, (BX)(R8*1)
	VMOVUPS     (BX)(R8*2), Y0
	TANH(Y0, Y6, Y1, Y2, Y3, Y14)
	VMOVUPS     Y6, (BX)(R8*2)
	VMOVUPS     (BX)(R9*1), Y0
	SIGMOID(Y0, Y7, Y1, Y2, Y3, Y15)
	VMOVUPS     Y7, (BX)(R9*1)
	VMULPS      Y4, Y6, Y0
	VFMADD231PS (R10)(AX*1), Y5, Y0   // c = f·cPrev + i·g
	VMOVUPS     Y0, (SI)(AX*1)
	TANH(Y0, Y4, Y1, Y2, Y3, Y14)
	VMOVUPS     Y4, (R11)(AX*1)
	VMULPS      Y4, Y7, Y0
	VMOVUPS     Y0, (DI)(AX*1)
	ADDQ        $32, BX
	ADDQ        $32, AX
	DECQ        CX
	JNZ         next
	VZEROUPPER
	RET

// func lstmCellGradVectors(dgates, dc, dh, gates, tanhC, cPrev *float32, hidden, vectors int, table *[16][8]float32)
TEXT ·lstmCellGradVectors(SB), NOSPLIT, $0-72
	MOVQ    dgates+0(FP), DI
	MOVQ    dc+8(FP), SI
	MOVQ    dh+16(FP), R11
	MOVQ    gates+24(FP), BX
	MOVQ    tanhC+32(FP), R10
	MOVQ    cPrev+40(FP), R12
	MOVQ    hidden+48(FP), R8
	MOVQ    vectors+56(FP), CX
	MOVQ    table+64(FP), DX
	SHLQ    $2, R8
	LEAQ    (R8)(R8*2), R9
	XORQ    AX, AX
	VMOVUPS ONE, Y15

next:
	VMOVUPS      (BX), Y0             // i
	VMOVUPS      (BX)(R8*1), Y1       // f
	VMOVUPS      (BX)(R8*2), Y2       // g
	VMOVUPS      (BX)(R9*1), Y3       // o
	VMOVUPS      (R10)(AX*1), Y4      // t
	VMOVUPS      (R11)(AX*1), Y5      // d
	VMULPS       Y3, Y5, Y6           // d·o
	VMOVAPS      Y4, Y7
	VFNMADD213PS Y15, Y7, Y7          // 1 - t²
	VFMADD213PS  (SI)(AX*1), Y6, Y7   // s = dc + d·o(1-t²)
	VMULPS       Y1, Y7, Y8           // s·f
	VMULPS       (R12)(AX*1), Y8, Y10
	VMOVUPS      Y8, (SI)(AX*1)
	VSUBPS       Y1, Y15, Y9
	VMULPS       Y9, Y10, Y10         // s·f·cPrev(1-f)
	VMOVUPS      Y10, (DI)(R8*1)
	VMULPS       Y0, Y7, Y8           // s·i
	VSUBPS       Y0, Y15, Y9
	VMULPS       Y2, Y9, Y9
	VMULPS       Y9, Y8, Y9           // s·i·g(1-i)
	VMOVUPS      Y9, (DI)
	VFNMADD213PS Y15, Y2, Y2          // 1 - g²
	VMULPS       Y8, Y2, Y2
	VMOVUPS      Y2, (DI)(R8*2)
	VSUBPS       Y3, Y15, Y9
	VMULPS       Y4, Y9, Y9
	VMULPS       Y6, Y9, Y9           // d·o·t(1-o)
	VMOVUPS      Y9, (DI)(R9*1)
	ADDQ         $32, BX
	ADDQ         $32, DI
	ADDQ         $32, AX
	DECQ         CX
	JNZ          next
	VZEROUPPER
	RET

// func addVectors(dst, a, b *float32, vectors int)
TEXT ·addVectors(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), BX
	MOVQ vectors+24(FP), CX
	XORQ AX, AX

next:
	VMOVUPS (SI)(AX*1), Y0
	VADDPS  (BX)(AX*1), Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ    $32, AX
	DECQ    CX
	JNZ     next
	VZEROUPPER
	RET

// func mulVectors(dst, a, b *float32, vectors int)
TEXT ·mulVectors(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), BX
	MOVQ vectors+24(FP), CX
	XORQ AX, AX

next:
	VMOVUPS (SI)(AX*1), Y0
	VMULPS  (BX)(AX*1), Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ    $32, AX
	DECQ    CX
	JNZ     next
	VZEROUPPER
	RET

// func mulAddVectors(dst, a, b, c *float32, vectors int)
TEXT ·mulAddVectors(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), BX
	MOVQ c+24(FP), DX
	MOVQ vectors+32(FP), CX
	XORQ AX, AX

next:
	VMOVUPS     (SI)(AX*1), Y0
	VMOVUPS     (BX)(AX*1), Y1
	VFMADD213PS (DX)(AX*1), Y1, Y0
	VMOVUPS     Y0, (DI)(AX*1)
	ADDQ        $32, AX
	DECQ        CX
	JNZ         next
	VZEROUPPER
	RET

// func axpyVectors(dst, x, y *float32, alpha float32, vectors int)
TEXT ·axpyVectors(SB), NOSPLIT, $0-40
	MOVQ         dst+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         y+16(FP), BX
	VBROADCASTSS alpha+24(FP), Y1
	MOVQ         vectors+32(FP), CX
	XORQ         AX, AX

next:
	VMOVUPS     (SI)(AX*1), Y0
	VFMADD213PS (BX)(AX*1), Y1, Y0
	VMOVUPS     Y0, (DI)(AX*1)
	ADDQ        $32, AX
	DECQ        CX
	JNZ         next
	VZEROUPPER
	RET

// func affineVectors(dst, src *float32, scale, shift float32, vectors int)
TEXT ·affineVectors(SB), NOSPLIT, $0-32
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	VBROADCASTSS scale+16(FP), Y1
	VBROADCASTSS shift+20(FP), Y2
	MOVQ         vectors+24(FP), CX
	XORQ         AX, AX

next:
	VMOVUPS     (SI)(AX*1), Y0
	VFMADD213PS Y2, Y1, Y0
	VMOVUPS     Y0, (DI)(AX*1)
	ADDQ        $32, AX
	DECQ        CX
	JNZ         next
	VZEROUPPER
	RET

// func reluVectors(dst, src *float32, vectors int)
TEXT ·reluVectors(SB), NOSPLIT, $0-24
	MOVQ   dst+0(FP), DI
	MOVQ   src+8(FP), SI
	MOVQ   vectors+16(FP), CX
	XORQ   AX, AX
	VXORPS Y1, Y1, Y1

next:
	VMAXPS  (SI)(AX*1), Y1, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ    $32, AX
	DECQ    CX
	JNZ     next
	VZEROUPPER
	RET

// func reluGradVectors(dx, x, dy *float32, vectors int)
TEXT ·reluGradVectors(SB), NOSPLIT, $0-32
	MOVQ   dx+0(FP), DI
	MOVQ   x+8(FP), SI
	MOVQ   dy+16(FP), BX
	MOVQ   vectors+24(FP), CX
	XORQ   AX, AX
	VXORPS Y1, Y1, Y1

next:
	VCMPPS  $1, (SI)(AX*1), Y1, Y0 // 0 < x
	VANDPS  (BX)(AX*1), Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ    $32, AX
	DECQ    CX
	JNZ     next
	VZEROUPPER
	RET

// X0 = the sum of Y0..Y3; Y1 is lost.
#define REDUCE \
	VADDPS       Y1, Y0, Y0   \
	VADDPS       Y3, Y2, Y2   \
	VADDPS       Y2, Y0, Y0   \
	VEXTRACTF128 $1, Y0, X1   \
	VADDPS       X1, X0, X0   \
	VMOVHLPS     X0, X0, X1   \
	VADDPS       X1, X0, X0   \
	VMOVSHDUP    X0, X1       \
	VADDSS       X1, X0, X0

// func dotVectors(x, y *float32, vectors int) float32
TEXT ·dotVectors(SB), NOSPLIT, $0-28
	MOVQ   x+0(FP), SI
	MOVQ   y+8(FP), DI
	MOVQ   vectors+16(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	SUBQ   $4, CX
	JLT    rest

four:
	VMOVUPS     (SI), Y4
	VMOVUPS     32(SI), Y5
	VMOVUPS     64(SI), Y6
	VMOVUPS     96(SI), Y7
	VFMADD231PS (DI), Y4, Y0
	VFMADD231PS 32(DI), Y5, Y1
	VFMADD231PS 64(DI), Y6, Y2
	VFMADD231PS 96(DI), Y7, Y3
	ADDQ        $128, SI
	ADDQ        $128, DI
	SUBQ        $4, CX
	JGE         four

rest:
	ADDQ $4, CX
	JZ   done

one:
	VMOVUPS     (SI), Y4
	VFMADD231PS (DI), Y4, Y0
	ADDQ        $32, SI
	ADDQ        $32, DI
	DECQ        CX
	JNZ         one

done:
	REDUCE
	VMOVSS X0, ret+24(FP)
	VZEROUPPER
	RET

// func sumVectors(x *float32, vectors int) float32
TEXT ·sumVectors(SB), NOSPLIT, $0-20
	MOVQ   x+0(FP), SI
	MOVQ   vectors+8(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	SUBQ   $4, CX
	JLT    rest

four:
	VADDPS (SI), Y0, Y0
	VADDPS 32(SI), Y1, Y1
	VADDPS 64(SI), Y2, Y2
	VADDPS 96(SI), Y3, Y3
	ADDQ   $128, SI
	SUBQ   $4, CX
	JGE    four

rest:
	ADDQ $4, CX
	JZ   done

one:
	VADDPS (SI), Y0, Y0
	ADDQ   $32, SI
	DECQ   CX
	JNZ    one

done:
	REDUCE
	VMOVSS X0, ret+16(FP)
	VZEROUPPER
	RET

// func sumSquaresVectors(x *float32, vectors int) float64
TEXT ·sumSquaresVectors(SB), NOSPLIT, $0-24
	MOVQ   x+0(FP), SI
	MOVQ   vectors+8(FP), CX
	VXORPD Y0, Y0, Y0
	VXORPD Y1, Y1, Y1

next:
	VCVTPS2PD   (SI), Y2
	VCVTPS2PD   16(SI), Y3
	VFMADD231PD Y2, Y2, Y0
	VFMADD231PD Y3, Y3, Y1
	ADDQ        $32, SI
	DECQ        CX
	JNZ         next
	VADDPD       Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPD       X1, X0, X0
	VPERMILPD    $1, X0, X1
	VADDSD       X1, X0, X0
	VMOVSD       X0, ret+16(FP)
	VZEROUPPER
	RET

// func maximumVectors(x *float32, vectors int) float32
TEXT ·maximumVectors(SB), NOSPLIT, $0-20
	MOVQ    x+0(FP), SI
	MOVQ    vectors+8(FP), CX
	VMOVUPS (SI), Y0

next:
	VMAXPS       (SI), Y0, Y0
	ADDQ         $32, SI
	DECQ         CX
	JNZ          next
	VEXTRACTF128 $1, Y0, X1
	VMAXPS       X1, X0, X0
	VMOVHLPS     X0, X0, X1
	VMAXPS       X1, X0, X0
	VMOVSHDUP    X0, X1
	VMAXSS       X1, X0, X0
	VMOVSS       X0, ret+16(FP)
	VZEROUPPER
	RET

// func adamVectors(x, grad, m, v *float32, vectors int, f *adamFactors)
TEXT ·adamVectors(SB), NOSPLIT, $0-48
	MOVQ         x+0(FP), DI
	MOVQ         grad+8(FP), SI
	MOVQ         m+16(FP), R8
	MOVQ         v+24(FP), R9
	MOVQ         vectors+32(FP), CX
	MOVQ         f+40(FP), DX
	VBROADCASTSS 0(DX), Y15   // scale
	VBROADCASTSS 4(DX), Y14   // 1-β₁
	VBROADCASTSS 8(DX), Y13   // 1-β₂
	VBROADCASTSS 12(DX), Y12  // keep
	VBROADCASTSS 16(DX), Y11  // rate
	VBROADCASTSS 20(DX), Y10  // root
	VBROADCASTSS 24(DX), Y9   // ε
	XORQ         AX, AX

next:
	VMULPS      (SI)(AX*1), Y15, Y0
	VMOVUPS     (R8)(AX*1), Y1
	VSUBPS      Y1, Y0, Y2
	VFMADD231PS Y2, Y14, Y1      // m
	VMOVUPS     Y1, (R8)(AX*1)
	VMOVUPS     (R9)(AX*1), Y3
	VMULPS      Y0, Y0, Y0
	VSUBPS      Y3, Y0, Y0
	VFMADD231PS Y0, Y13, Y3      // v
	VMOVUPS     Y3, (R9)(AX*1)
	VSQRTPS     Y3, Y3
	VFMADD213PS Y9, Y10, Y3      // root·√v + ε
	VMULPS      Y11, Y1, Y1
	VDIVPS      Y3, Y1, Y1
	VMULPS      (DI)(AX*1), Y12, Y4
	VSUBPS      Y1, Y4, Y4
	VMOVUPS     Y4, (DI)(AX*1)
	ADDQ        $32, AX
	DECQ        CX
	JNZ         next
	VZEROUPPER
	RET

// func transposeVectors(dst *float32, ldd int, src *float32, lds int, blocks int)
TEXT ·transposeVectors(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ ldd+8(FP), R8
	MOVQ src+16(FP), SI
	MOVQ lds+24(FP), R9
	MOVQ blocks+32(FP), CX
	SHLQ $2, R8
	SHLQ $2, R9
	LEAQ (R8)(R8*2), R10 // 3 rows of dst
	LEAQ (R9)(R9*2), R11 // 3 rows of src

block:
	LEAQ    (SI)(R9*4), BX
	VMOVUPS (SI), Y0
	VMOVUPS (SI)(R9*1), Y1
	VMOVUPS (SI)(R9*2), Y2
	VMOVUPS (SI)(R11*1), Y3
	VMOVUPS (BX), Y4
	VMOVUPS (BX)(R9*1), Y5
	VMOVUPS (BX)(R9*2), Y6
	VMOVUPS (BX)(R11*1), Y7

	// Pairs of rows, then fours, then halves.
	VUNPCKLPS Y1, Y0, Y8
	VUNPCKHPS Y1, Y0, Y9
	VUNPCKLPS Y3, Y2, Y10
	VUNPCKHPS Y3, Y2, Y11
	VUNPCKLPS Y5, Y4, Y12
	VUNPCKHPS Y5, Y4, Y13
	VUNPCKLPS Y7, Y6, Y14
	VUNPCKHPS Y7, Y6, Y15
	VUNPCKLPD Y10, Y8, Y0
	VUNPCKHPD Y10, Y8, Y1
	VUNPCKLPD Y11, Y9, Y2
	VUNPCKHPD Y11, Y9, Y3
	VUNPCKLPD Y14, Y12, Y4
	VUNPCKHPD Y14, Y12, Y5
	VUNPCKLPD Y15, Y13, Y6
	VUNPCKHPD Y15, Y13, Y7
	VPERM2F128 $0x20, Y4, Y0, Y8
	VPERM2F128 $0x20, Y5, Y1, Y9
	VPERM2F128 $0x20, Y6, Y2, Y10
	VPERM2F128 $0x20, Y7, Y3, Y11
	VPERM2F128 $0x31, Y4, Y0, Y12
	VPERM2F128 $0x31, Y5, Y1, Y13
	VPERM2F128 $0x31, Y6, Y2, Y14
	VPERM2F128 $0x31, Y7, Y3, Y15

	LEAQ    (DI)(R8*4), DX
	VMOVUPS Y8, (DI)
	VMOVUPS Y9, (DI)(R8*1)
	VMOVUPS Y10, (DI)(R8*2)
	VMOVUPS Y11, (DI)(R10*1)
	VMOVUPS Y12, (DX)
	VMOVUPS Y13, (DX)(R8*1)
	VMOVUPS Y14, (DX)(R8*2)
	VMOVUPS Y15, (DX)(R10*1)
	ADDQ    $32, SI
	LEAQ    (DI)(R8*8), DI
	DECQ    CX
	JNZ     block
	VZEROUPPER
	RET

// func packVectors(dst *float32, ldd int, src *float32, lds, rows int)
TEXT ·packVectors(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ ldd+8(FP), R9
	MOVQ src+16(FP), SI
	MOVQ lds+24(FP), R8
	MOVQ rows+32(FP), CX
	SHLQ $2, R8
	SHLQ $2, R9

next:
	VMOVUPS    (SI), Y0
	VMOVUPS    32(SI), Y1
	PREFETCHT1 64(SI)      // the next panel
	VMOVUPS    Y0, (DI)
	VMOVUPS    Y1, 32(DI)
	ADDQ       R8, SI
	ADDQ       R9, DI
	DECQ       CX
	JNZ        next
	VZEROUPPER
	RET

// x = x·c modulo 2⁶⁴, with the low half of c in lo and the high half in hi.
#define MUL64(x, lo, hi, t, u) \
	VPSRLQ   $32, x, t  \
	VPMULUDQ lo, t, t   \
	VPMULUDQ hi, x, u   \
	VPADDQ   u, t, t    \
	VPSLLQ   $32, t, t  \
	VPMULUDQ lo, x, x   \
	VPADDQ   t, x, x

#define XORSHIFT(n, x, t) \
	VPSRLQ n, x, t \
	VPXOR  t, x, x

#define BROADCAST(c, x, y) \
	MOVQ         c, AX \
	VMOVQ        AX, x \
	VPBROADCASTQ x, y

// func uniformVectors(dst *float32, vectors int, unit float32, states *[4]uint64)
TEXT ·uniformVectors(SB), NOSPLIT, $0-32
	MOVQ         dst+0(FP), DI
	MOVQ         vectors+8(FP), CX
	VBROADCASTSS unit+16(FP), Y15
	MOVQ         states+24(FP), SI
	VMOVDQU      (SI), Y14
	BROADCAST($0x78dde6e5fd29f054, X13, Y13) // four times the golden number
	BROADCAST($0x1ce4e5b9, X12, Y12)
	BROADCAST($0xbf58476d, X11, Y11)
	BROADCAST($0x133111eb, X10, Y10)
	BROADCAST($0x94d049bb, X9, Y9)

next:
	VMOVDQA Y14, Y0
	VPADDQ  Y13, Y14, Y14
	XORSHIFT($30, Y0, Y1)
	MUL64(Y0, Y12, Y11, Y1, Y2)
	XORSHIFT($27, Y0, Y1)
	MUL64(Y0, Y10, Y9, Y1, Y2)
	XORSHIFT($31, Y0, Y1)
	VCVTDQ2PS Y0, Y0
	VMULPS    Y15, Y0, Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $32, DI
	DECQ      CX
	JNZ       next
	VZEROUPPER
	RET
