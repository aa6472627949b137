<<<<<<<< HEAD:web/static/assets/sizes-7wygMxnF.js
import{t as e}from"./i18n-CBLxUlfL.js";function t(t,n=e()){let r=[`byte`,`kilobyte`,`megabyte`,`gigabyte`,`terabyte`],i=t<1?0:Math.min(Math.floor(Math.log10(t)/3),r.length-1),a={style:`unit`,unit:r[i],unitDisplay:i===0?`long`:`short`};return new Intl.NumberFormat(n,{...a,maximumFractionDigits:1}).format(t/1e3**i)}export{t};
========
import{t as e}from"./i18n-arp3BjaR.js";function t(t,n=e()){let r=[`byte`,`kilobyte`,`megabyte`,`gigabyte`,`terabyte`],i=t<1?0:Math.min(Math.floor(Math.log10(t)/3),r.length-1),a={style:`unit`,unit:r[i],unitDisplay:i===0?`long`:`short`};return new Intl.NumberFormat(n,{...a,maximumFractionDigits:1}).format(t/1e3**i)}export{t};
>>>>>>>> 2543864 (Files dropped on the list of documents become documents, dropped into a text part of it):web/static/assets/sizes-Dw745nDB.js
