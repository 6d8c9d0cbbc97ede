// Package f32 computes in single precision: the matrix product, elementary functions and
// layer steps on which neural networks are trained.
package f32
