#include "textflag.h"

// The twins of exponentsPlain, maximumPlain and expSumPlain; see simd.go.

// acc0 and acc1 gain (a·x + b)·x for the candidate whose x is at off(R8).
#define GAIN(off, acc0, acc1) \
	VBROADCASTSD off(R8), Y12        \
	VMOVAPD      Y12, Y13            \
	VMOVAPD      Y12, Y14            \
	VFMADD213PD  Y10, Y8, Y13        \
	VFMADD213PD  Y11, Y9, Y14        \
	VFMADD231PD  Y13, Y12, acc0      \
	VFMADD231PD  Y14, Y12, acc1

// func exponentsAVX2(out, coef, base, x *float64, dims int)
TEXT ·exponentsAVX2(SB), NOSPLIT, $0-40
	MOVQ out+0(FP), DI
	MOVQ coef+8(FP), SI
	MOVQ base+16(FP), BX
	MOVQ x+24(FP), R9
	MOVQ dims+32(FP), R10
	MOVQ $8, R11          // panels

panel:
	VMOVUPD (BX), Y0
	VMOVUPD 32(BX), Y1
	VMOVAPD Y0, Y2
	VMOVAPD Y1, Y3
	VMOVAPD Y0, Y4
	VMOVAPD Y1, Y5
	VMOVAPD Y0, Y6
	VMOVAPD Y1, Y7
	MOVQ    R9, R8
	MOVQ    R10, CX

axis:
	VMOVUPD (SI), Y8
	VMOVUPD 32(SI), Y9
	VMOVUPD 64(SI), Y10
	VMOVUPD 96(SI), Y11
	GAIN(0, Y0, Y1)
	GAIN(8, Y2, Y3)
	GAIN(16, Y4, Y5)
	GAIN(24, Y6, Y7)
	ADDQ    $128, SI
	ADDQ    $32, R8
	DECQ    CX
	JNZ     axis

	VMOVUPD Y0, (DI)
	VMOVUPD Y1, 32(DI)
	VMOVUPD Y2, 512(DI)
	VMOVUPD Y3, 544(DI)
	VMOVUPD Y4, 1024(DI)
	VMOVUPD Y5, 1056(DI)
	VMOVUPD Y6, 1536(DI)
	VMOVUPD Y7, 1568(DI)
	ADDQ    $64, DI
	ADDQ    $64, BX
	DECQ    R11
	JNZ     panel
	VZEROUPPER
	RET

// func maximumAVX2(v *float64) float64
TEXT ·maximumAVX2(SB), NOSPLIT, $0-16
	MOVQ    v+0(FP), SI
	VMOVUPD (SI), Y0
	VMOVUPD 32(SI), Y1
	VMOVUPD 64(SI), Y2
	VMOVUPD 96(SI), Y3
	VMAXPD  128(SI), Y0, Y0
	VMAXPD  160(SI), Y1, Y1
	VMAXPD  192(SI), Y2, Y2
	VMAXPD  224(SI), Y3, Y3
	VMAXPD  256(SI), Y0, Y0
	VMAXPD  288(SI), Y1, Y1
	VMAXPD  320(SI), Y2, Y2
	VMAXPD  352(SI), Y3, Y3
	VMAXPD  384(SI), Y0, Y0
	VMAXPD  416(SI), Y1, Y1
	VMAXPD  448(SI), Y2, Y2
	VMAXPD  480(SI), Y3, Y3
	VMAXPD  Y1, Y0, Y0
	VMAXPD  Y3, Y2, Y2
	VMAXPD  Y2, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VMAXPD  X1, X0, X0
	VPERMILPD $1, X0, X1
	VMAXSD  X1, X0, X0
	VMOVSD  X0, ret+8(FP)
	VZEROUPPER
	RET

DATA negligible<>+0(SB)/8, $-40.0
GLOBL negligible<>(SB), RODATA|NOPTR, $8

#define HORNER(off) \
	VBROADCASTSD off(DX), Y10   \
	VFMADD213PD  Y10, Y4, Y6    \
	VFMADD213PD  Y10, Y5, Y7

// func expSumAVX2(v, w, constants *float64, top float64) float64
TEXT ·expSumAVX2(SB), NOSPLIT, $0-40
	MOVQ         v+0(FP), SI
	MOVQ         w+8(FP), DI
	MOVQ         constants+16(FP), DX
	VBROADCASTSD top+24(FP), Y15
	VBROADCASTSD negligible<>(SB), Y14
	VBROADCASTSD 0(DX), Y13            // log2 e
	VBROADCASTSD 8(DX), Y12            // rounds
	VBROADCASTSD 16(DX), Y11           // -log 2
	VXORPD       Y0, Y0, Y0            // the sums of even and odd fours
	VXORPD       Y1, Y1, Y1
	MOVQ         $8, CX

eight:
	VMOVUPD   (SI), Y2
	VMOVUPD   32(SI), Y3
	VSUBPD    Y15, Y2, Y2              // d = v - top
	VSUBPD    Y15, Y3, Y3
	VMAXPD    Y3, Y2, Y4
	VCMPPD    $13, Y14, Y4, Y4         // any d >= -negligible
	VMOVMSKPD Y4, AX
	TESTL     AX, AX
	JZ        next
	VCMPPD    $13, Y14, Y2, Y8
	VCMPPD    $13, Y14, Y3, Y9
	VMAXPD    Y14, Y2, Y2
	VMAXPD    Y14, Y3, Y3
	VANDPD    (DI), Y8, Y8             // the weights of those
	VANDPD    32(DI), Y9, Y9
	VMOVAPD   Y12, Y6
	VMOVAPD   Y12, Y7
	VFMADD231PD Y13, Y2, Y6            // t = d·log2 e + rounding
	VFMADD231PD Y13, Y3, Y7
	VSUBPD    Y12, Y6, Y4              // k
	VSUBPD    Y12, Y7, Y5
	VFMADD231PD Y11, Y4, Y2            // r = d - k·log 2
	VFMADD231PD Y11, Y5, Y3
	VBROADCASTSD 24(DX), Y10
	VFMADD213PD Y2, Y10, Y4
	VFMADD213PD Y3, Y10, Y5
	VPSLLQ    $52, Y6, Y2              // 2ᵏ
	VPSLLQ    $52, Y7, Y3
	VBROADCASTSD 32(DX), Y6
	VMOVAPD   Y6, Y7
	HORNER(40)
	HORNER(48)
	HORNER(56)
	HORNER(64)
	HORNER(72)
	HORNER(80)
	HORNER(88)
	HORNER(96)
	HORNER(104)
	HORNER(112)
	VPADDQ    Y2, Y6, Y6
	VPADDQ    Y3, Y7, Y7
	VFMADD231PD Y8, Y6, Y0
	VFMADD231PD Y9, Y7, Y1

next:
	ADDQ $64, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  eight

	VADDPD    Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPD    X1, X0, X0
	VPERMILPD $1, X0, X1
	VADDSD    X1, X0, X0
	VMOVSD    X0, ret+32(FP)
	VZEROUPPER
	RET
