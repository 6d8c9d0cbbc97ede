#include "go_asm.h"
#include "textflag.h"

// STEP moves the walks in cur, of the 16 rows whose ranks are at the offset.
#define STEP(offset, cur) \
	VPCMPGTW  offset(AX), Y4, Y8 \
	VPCMPEQW  cur, Y5, Y9        \
	VPAND     Y8, Y9, Y8         \
	VPBLENDVB Y8, Y6, cur, cur

// NODE loads a node and goes on to the next.
#define NODE \
	MOVL         vectorNode_offset(DI), AX \
	VPBROADCASTD vectorNode_rank(DI), Y4   \
	VPBROADCASTD vectorNode_first(DI), Y5  \
	VPBROADCASTD vectorNode_right(DI), Y6  \
	ADDQ         SI, AX                    \
	ADDQ         $vectorNode__size, DI

// func walkVectors(nodes *vectorNode, n int, x *int16, leaves, sums *float64, vectors int)
TEXT ·walkVectors(SB), NOSPLIT, $128-48
	MOVQ  nodes+0(FP), DI
	MOVQ  n+8(FP), CX
	MOVQ  x+16(FP), SI
	MOVQ  leaves+24(FP), R10
	MOVQ  sums+32(FP), R11
	MOVQ  vectors+40(FP), R12
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	CMPQ  R12, $2
	JL    one
	JEQ   two

four:
	NODE
	STEP(0, Y0)
	STEP(32, Y1)
	STEP(64, Y2)
	STEP(96, Y3)
	DECQ CX
	JNZ  four
	VMOVDQU Y2, 64(SP)
	VMOVDQU Y3, 96(SP)
	JMP  add

two:
	NODE
	STEP(0, Y0)
	STEP(32, Y1)
	DECQ CX
	JNZ  two
	JMP  add

one:
	NODE
	STEP(0, Y0)
	DECQ CX
	JNZ  one

add:
	VMOVDQU Y0, (SP)
	VMOVDQU Y1, 32(SP)
	MOVQ    SP, SI
	SHLQ    $2, R12 // four rows at a time

next:
	MOVWLZX     (SI), AX
	MOVWLZX     2(SI), BX
	MOVWLZX     4(SI), CX
	MOVWLZX     6(SI), DX
	VMOVSD      (R10)(AX*8), X4
	VMOVSD      (R10)(CX*8), X5
	VMOVHPD     (R10)(BX*8), X4, X4
	VMOVHPD     (R10)(DX*8), X5, X5
	VINSERTF128 $1, X5, Y4, Y4
	VADDPD      (R11), Y4, Y4
	VMOVUPD     Y4, (R11)
	ADDQ        $8, SI
	ADDQ        $32, R11
	DECQ        R12
	JNZ         next
	VZEROUPPER
	RET

// RANK takes a step of the search for key: at points behind what is less.
#define RANK(at, key) \
	LEAQ    (at)(R8*8), AX    \
	CMPQ    -8(at)(R8*8), key \
	CMOVQCS AX, at

// func searchRows(sorted *uint64, half int, keys *uint64, ranks *uint32, n int)
TEXT ·searchRows(SB), NOSPLIT, $0-40
	MOVQ sorted+0(FP), SI
	MOVQ keys+16(FP), DI
	MOVQ ranks+24(FP), DX

rows:
	MOVQ half+8(FP), R8
	MOVQ (DI), R9
	MOVQ 8(DI), R10
	MOVQ 16(DI), R11
	MOVQ 24(DI), R12
	MOVQ SI, R13
	MOVQ SI, R15
	MOVQ SI, BX
	MOVQ SI, CX

step:
	RANK(R13, R9)
	RANK(R15, R10)
	RANK(BX, R11)
	RANK(CX, R12)
	SHRQ $1, R8
	JNZ  step

	SUBQ SI, R13
	SUBQ SI, R15
	SUBQ SI, BX
	SUBQ SI, CX
	SHRQ $3, R13
	SHRQ $3, R15
	SHRQ $3, BX
	SHRQ $3, CX
	MOVL R13, (DX)
	MOVL R15, 4(DX)
	MOVL BX, 8(DX)
	MOVL CX, 12(DX)
	ADDQ $32, DI
	ADDQ $16, DX
	SUBQ $4, n+32(FP)
	JNZ  rows
	RET

// func searchQuad(q *quad, keys *[quadInputs]uint64, ranks *[quadInputs]uint32)
TEXT ·searchQuad(SB), NOSPLIT, $0-24
	MOVQ q+0(FP), SI
	MOVQ keys+8(FP), DI
	MOVQ ranks+16(FP), DX
	MOVQ quad_half(SI), R8
	MOVQ (DI), R9
	MOVQ 8(DI), R10
	MOVQ 16(DI), R11
	MOVQ 24(DI), R12
	MOVQ quad_sorted+0(SI), R13
	MOVQ quad_sorted+24(SI), R15
	MOVQ quad_sorted+48(SI), BX
	MOVQ quad_sorted+72(SI), CX

step:
	RANK(R13, R9)
	RANK(R15, R10)
	RANK(BX, R11)
	RANK(CX, R12)
	SHRQ $1, R8
	JNZ  step

	SUBQ quad_sorted+0(SI), R13
	SUBQ quad_sorted+24(SI), R15
	SUBQ quad_sorted+48(SI), BX
	SUBQ quad_sorted+72(SI), CX
	SHRQ $3, R13
	SHRQ $3, R15
	SHRQ $3, BX
	SHRQ $3, CX
	MOVL R13, (DX)
	MOVL R15, 4(DX)
	MOVL BX, 8(DX)
	MOVL CX, 12(DX)
	RET
