package f32

// panelPlain is the plain twin of the kernels. It takes two rows and four columns at a time.
func panelPlain(m, k, width int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	for i := 0; i < m; i += 2 {
		// If the number of rows is odd, the last row is its own partner.
		j := min(i+1, m-1)
		x, y := a[i*lda:][:k], a[j*lda:][:k]
		for col := 0; col < width; col += 4 {
			var x0, x1, x2, x3, y0, y1, y2, y3 float32
			at := col
			for p, s := range x {
				t, r := y[p], b[at:at+4:at+4]
				x0 += s * r[0]
				x1 += s * r[1]
				x2 += s * r[2]
				x3 += s * r[3]
				y0 += t * r[0]
				y1 += t * r[1]
				y2 += t * r[2]
				y3 += t * r[3]
				at += ldb
			}
			storePlain(c[i*ldc+col:], alpha, beta, x0, x1, x2, x3)
			if j > i {
				storePlain(c[j*ldc+col:], alpha, beta, y0, y1, y2, y3)
			}
		}
	}
}

func storePlain(c []float32, alpha, beta, x0, x1, x2, x3 float32) {
	c = c[:4]
	if beta == 0 {
		c[0], c[1], c[2], c[3] = alpha*x0, alpha*x1, alpha*x2, alpha*x3
		return
	}
	c[0] = alpha*x0 + beta*c[0]
	c[1] = alpha*x1 + beta*c[1]
	c[2] = alpha*x2 + beta*c[2]
	c[3] = alpha*x3 + beta*c[3]
}

func transposePlain(dst []float32, ldd int, src []float32, lds int, rows, cols int) {
	for i := range rows {
		for j, v := range src[i*lds:][:cols] {
			dst[j*ldd+i] = v
		}
	}
}
