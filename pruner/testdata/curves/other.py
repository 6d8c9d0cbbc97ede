# Learning curves on other data, and of other models, than make.py writes: validation loss after each of 50 epochs or trees.
import numpy as np, warnings, time, os
os.environ["OMP_NUM_THREADS"]="1"
warnings.filterwarnings("ignore")
from sklearn.datasets import *
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
import lightgbm as lgb, xgboost as xgb
E = 50
def prep(X,y,seed=3):
    a=train_test_split(X,y,test_size=.3,random_state=seed); s=StandardScaler().fit(a[0]); return s.transform(a[0]),s.transform(a[1]),a[2],a[3]
def mlp(dt,regress,rng,N=80):
    X,V,y,w=dt; out=[]
    for _ in range(N):
        kw=dict(hidden_layer_sizes=(int(2**rng.uniform(2,6)),)*int(rng.integers(1,3)),alpha=10**rng.uniform(-6,0),learning_rate_init=10**rng.uniform(-4,-1),solver=str(rng.choice(["sgd","adam"])),momentum=rng.uniform(0,.95),activation=str(rng.choice(["relu","tanh"])),batch_size=int(2**rng.uniform(4,8)),random_state=int(rng.integers(1e9)))
        m=(MLPRegressor if regress else MLPClassifier)(**kw); c=[]
        for e in range(E):
            try:
                m.partial_fit(X,y) if regress else m.partial_fit(X,y,classes=np.unique(y))
                v=float(np.mean((m.predict(V)-w)**2)) if regress else float(1-m.score(V,w)) if kw["activation"]=="none" else float(log_loss(w,np.nan_to_num(m.predict_proba(V),nan=1e-9),labels=np.unique(y)))
            except Exception: v=float("nan")
            c.append(v)
        out.append(c)
    return out
def sgd(dt,rng,N=80):
    X,V,y,w=dt; out=[]
    for _ in range(N):
        m=SGDClassifier(loss="log_loss",alpha=10**rng.uniform(-7,-1),eta0=10**rng.uniform(-4,0),learning_rate=str(rng.choice(["constant","invscaling","adaptive"])),random_state=int(rng.integers(1e9))); c=[]
        for e in range(E):
            m.partial_fit(X,y,classes=np.unique(y)); c.append(float(log_loss(w,m.predict_proba(V),labels=np.unique(y))))
        out.append(c)
    return out
def lgbm(dt,obj,rng,N=80):
    X,V,y,w=dt; out=[]
    for _ in range(N):
        p=dict(objective=obj,learning_rate=10**rng.uniform(-2,0),num_leaves=int(2**rng.uniform(1,6)),min_data_in_leaf=int(2**rng.uniform(0,6)),feature_fraction=rng.uniform(.3,1),bagging_fraction=rng.uniform(.4,1),bagging_freq=1,lambda_l2=10**rng.uniform(-3,2),verbose=-1,num_threads=1,seed=int(rng.integers(1e9)))
        if obj=="multiclass": p["num_class"]=len(np.unique(y))
        r={}; lgb.train(p,lgb.Dataset(X,y),E,valid_sets=[lgb.Dataset(V,w)],callbacks=[lgb.record_evaluation(r)])
        out.append(list(next(iter(r["valid_0"].values()))))
    return out
def xgbm(dt,obj,metric,rng,N=80):
    X,V,y,w=dt; out=[]
    for _ in range(N):
        p=dict(objective=obj,eval_metric=metric,eta=10**rng.uniform(-2,0),max_depth=int(rng.integers(1,9)),min_child_weight=10**rng.uniform(-1,2),subsample=rng.uniform(.4,1),colsample_bytree=rng.uniform(.3,1),nthread=1,seed=int(rng.integers(1e6)))
        r={}; xgb.train(p,xgb.DMatrix(X,y),E,evals=[(xgb.DMatrix(V,w),"v")],evals_result=r,verbose_eval=False)
        out.append(list(r["v"][metric]))
    return out
d={"wine":prep(*load_wine(return_X_y=True)),"cancer":prep(*load_breast_cancer(return_X_y=True)),"diab":prep(*load_diabetes(return_X_y=True)),"digits":prep(*load_digits(return_X_y=True)),
"fried":prep(*make_friedman1(600,12,noise=1.0,random_state=1)),"clf":prep(*make_classification(800,20,n_informative=8,n_classes=3,flip_y=.05,random_state=2)),"moons":prep(*make_moons(600,noise=.3,random_state=1))}
jobs=[("lgb-clf",lambda r:lgbm(d["clf"],"multiclass",r)),("lgb-fried",lambda r:lgbm(d["fried"],"regression",r)),("lgb-wine",lambda r:lgbm(d["wine"],"multiclass",r)),
("xgb-cancer",lambda r:xgbm(d["cancer"],"binary:logistic","error",r)),("xgb-diab",lambda r:xgbm(d["diab"],"reg:squarederror","mae",r)),("xgb-fried",lambda r:xgbm(d["fried"],"reg:squarederror","rmse",r)),
("sgd-digits",lambda r:sgd(d["digits"],r)),("sgd-clf",lambda r:sgd(d["clf"],r)),("mlp-moons",lambda r:mlp(d["moons"],False,r)),("mlp-clf",lambda r:mlp(d["clf"],False,r)),("mlp-fried",lambda r:mlp(d["fried"],True,r)),("mlp-cancer",lambda r:mlp(d["cancer"],False,r))]
for i,(n,f) in enumerate(jobs):
    t=time.time(); a=np.array(f(np.random.default_rng(100+i)),dtype="<f4"); a.tofile(n+".f32"); print(n,a.shape,round(time.time()-t,1),np.isnan(a).sum(),flush=True)
