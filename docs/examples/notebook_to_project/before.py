# %% What somebody found out in a notebook, cell by cell.
import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

# %%
df = load_iris(as_frame=True).frame
df.columns = ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"]
df = df[df["species"] != 0]

# %%
y = (df["species"] == 2).astype(int)
X = df[["sepal_length", "sepal_width", "petal_length", "petal_width"]]
parts = train_test_split(X, y, test_size=0.3, random_state=4, stratify=y)
X_train, X_test, y_train, y_test = parts

# %%
scaler = StandardScaler().fit(X_train)
clf = LogisticRegression(C=1.0).fit(scaler.transform(X_train), y_train)

# %%
p = clf.predict_proba(scaler.transform(X_test))[:, 1]
RESULT = accuracy_score(y_test, (np.asarray(p) >= 0.5).astype(int))
print(RESULT)
