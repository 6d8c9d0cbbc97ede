# Makes golden.json: the metrics, a ridge regression and a backtest of it, by numpy 2.4 and nothing of ours. Run it in this folder.
import numpy as np, json
np.random.seed(7)
def rnd(n,s=1): return np.round(np.random.randn(n)*s,3)
tr=np.round(10+np.cumsum(np.random.randn(30)),3)
y=rnd(10,5); f=np.round(y+rnd(10,1),3)
y[3]=0.0; y[7]=np.nan; y[8]=0.0; f[8]=0.0
ok=~np.isnan(y)
Y,F=y[ok],f[ok]; e=np.abs(Y-F)
g={}
g['mae']=e.mean(); g['rmse']=np.sqrt(np.mean((Y-F)**2))
nz=Y!=0; g['mape']=100*np.mean(e[nz]/np.abs(Y[nz]))
with np.errstate(all='ignore'): sm=2*e/(np.abs(Y)+np.abs(F))
g['smape']=100*np.mean(np.nan_to_num(sm)); g['wape']=100*e.sum()/np.abs(Y).sum()
m=4
g['mase']=e.mean()/np.mean(np.abs(tr[m:]-tr[:-m])); g['rmsse']=np.sqrt(np.mean((Y-F)**2)/np.mean((tr[m:]-tr[:-m])**2))
g['r2']=1-np.sum((Y-F)**2)/np.sum((Y-Y.mean())**2)
for q in (.1,.5,.9): g[f'pinball@{q:g}']=np.mean(np.maximum(q*(Y-F),(q-1)*(Y-F)))
cl=lambda a:[None if np.isnan(v) else float(v) for v in a]
# ridge with sklearn-free closed form
X=np.round(np.random.randn(40,3),3); X[:,2]=np.round(X[:,0]*.5+np.random.randn(40),3); w=np.array([1.5,-2,.3]); t=np.round(X@w+4+np.random.randn(40)*.1,3)
mu,sd=X.mean(0),X.std(0); Z=(X-mu)/sd; lam=2.5
b=np.linalg.solve(Z.T@Z+lam*np.eye(3),Z.T@(t-t.mean()))
xt=np.round(np.random.randn(4,3),3); pt=((xt-mu)/sd)@b+t.mean()
# The MAPE of ridge regressions of the seasonally differenced logarithm, on the last windows of a series.
passengers=np.array([float(l.split(',')[1]) for l in open('../../../data/airpassengers.csv').read().split()[1:]])
def ridge(X,t,lam):
    mu,sd=X.mean(0),X.std(0); Z=(X-mu)/sd
    b=np.linalg.solve(Z.T@Z+(lam+1e-9*len(t))*np.eye(X.shape[1]),Z.T@(t-t.mean()))
    return lambda x:((x-mu)/sd)@b+t.mean()
def run(H,W,lags,lam,strategy):
    y=passengers
    A=[];F=[]
    for w in range(W):
        o=len(y)-H*(W-w); tr=y[:o]; l=np.log(tr); z=np.r_[np.full(12,np.nan),l[12:]-l[:-12]]
        least=max(lags)+12; f=[]
        if strategy=='recursive':
            O=range(least,o); m=ridge(np.array([[z[k-L] for L in lags] for k in O]),np.array([z[k] for k in O]),lam)
            zz=list(z)
            for h in range(H): zz.append(m(np.array([zz[len(zz)-L] for L in lags])))
            f=zz[o:]
        else:
            for h in range(1,H+1):
                O=range(least,o-h+1); m=ridge(np.array([[z[k-L] for L in lags] for k in O]),np.array([z[k+h-1] for k in O]),lam)
                f.append(m(np.array([z[o-L] for L in lags])))
        yy=list(l)
        for h in range(H): yy.append(f[h]+yy[o+h-12])
        F+=list(np.exp(yy[o:])); A+=list(y[o:o+H])
    A=np.array(A);F=np.array(F)
    return 100*np.mean(abs(A-F)/A)
json.dump(dict(train=cl(tr),season=m,truth=cl(y),forecast=cl(f),scores={k:float(v) for k,v in g.items()},
  ridge=dict(x=X.ravel().tolist(),y=t.tolist(),**{"lambda":lam},test=xt.ravel().tolist(),predicted=pt.tolist()),
  pipeline={f'{s} {h}x{w}':float(run(h,w,[1,2,12],1,s)) for s in ('recursive','direct') for h,w in ((12,3),(24,1))}),open('golden.json','w'),indent=None)
